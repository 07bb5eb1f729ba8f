package wall

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Vertex AI, beside OpenAI's API: Gemini and Claude by access token. Paths are those of
// https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and /partner-models/claude/use-claude,
// tokens those of https://developers.google.com/identity/protocols/oauth2/service-account.

// Account is a service account that gets tokens at the wall's /token for assertions that its key has signed.
func Account(email string, key *rsa.PublicKey) Option {
	return func(w *Wall) { w.account, w.accountKey = email, key }
}

const (
	vertexProject = "wall-project"
	vertexToken   = "ya29.wall-token"
	cloudScope    = "https://www.googleapis.com/auth/cloud-platform"
)

// isVertex says whether a request is for a publisher's model on Vertex AI; an empty publisher is any.
func isVertex(r *http.Request, publisher string) bool {
	_, rest, ok := strings.Cut(r.URL.Path, "/projects/"+vertexProject+"/locations/")
	return ok && strings.Contains(rest, "/publishers/"+publisher)
}

func (w *Wall) admitVertex(r *http.Request) *refusal {
	if r.Header.Get("Authorization") != "Bearer "+vertexToken || r.Header.Get("X-Goog-Api-Key") != "" {
		return &refusal{status: http.StatusUnauthorized, message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."}
	}
	return nil
}

// claudeOnVertex takes a request of Messages that names its version and no model in its body.
func (x *exchange) claudeOnVertex() {
	_, rest, _ := strings.Cut(x.request.URL.Path, "/models/")
	model, method, _ := strings.Cut(rest, ":")
	if x.text("anthropic_version") != "vertex-2023-10-16" {
		x.refuse(wrong("anthropic_version: Field required"))
		return
	}
	delete(x.fields, "anthropic_version")
	stream := string(x.fields["stream"]) == "true"
	switch {
	case model == "count-tokens" && method == "rawPredict":
		x.countTokens()
		return
	case x.has("model"):
		x.refuse(wrong("model: Extra inputs are not permitted"))
		return
	case stream != (method == "streamRawPredict") || method != "rawPredict" && method != "streamRawPredict":
		x.refuse(wrong("stream: it must be what the method says"))
		return
	}
	x.model = model
	x.request.Header.Set("Anthropic-Version", FirstVersion) // of which Vertex AI has the fields
	x.messages()
}

// giveToken exchanges an assertion (RFC 7523).
func (x *exchange) giveToken() {
	form, err := url.ParseQuery(string(x.body))
	parts := strings.Split(form.Get("assertion"), ".")
	var claims struct {
		Issuer   string `json:"iss"`
		Scope    string `json:"scope"`
		Audience string `json:"aud"`
		From     int64  `json:"iat"`
		Until    int64  `json:"exp"`
	}
	now := time.Now().Unix()
	if err == nil && form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" && len(parts) == 3 && x.wall.accountKey != nil {
		body, err1 := base64.RawURLEncoding.DecodeString(parts[1])
		signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		good := err1 == nil && err2 == nil && json.Unmarshal(body, &claims) == nil &&
			rsa.VerifyPKCS1v15(x.wall.accountKey, crypto.SHA256, digest[:], signature) == nil
		if good && claims.Issuer == x.wall.account && slices.Contains(strings.Fields(claims.Scope), cloudScope) &&
			strings.HasSuffix(claims.Audience, "/token") && claims.From <= now+1 && claims.Until > now && claims.Until-claims.From <= 3600 {
			x.json(map[string]any{"access_token": vertexToken, "expires_in": 3599, "token_type": "Bearer"})
			return
		}
	}
	x.whole(http.StatusBadRequest, "application/json", encode(map[string]any{"error": "invalid_grant", "error_description": "Invalid JWT"}))
}

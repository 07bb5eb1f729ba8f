package upstream

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// tokens is Google's token endpoint, which takes the assertions of one account:
// https://developers.google.com/identity/protocols/oauth2/service-account.
type tokens struct {
	*httptest.Server
	key     *rsa.PrivateKey
	seconds int // that a token is good for
	given   atomic.Int64
	refuse  atomic.Bool
}

const account = "router@project.iam.gserviceaccount.com"

func newTokens(t *testing.T, seconds int) *tokens {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &tokens{key: key, seconds: seconds}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := s.wrong(r); why != "" || s.refuse.Load() {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature. %s"}`, why)
			return
		}
		fmt.Fprintf(w, `{"access_token":"ya29.token-%d","expires_in":%d,"token_type":"Bearer"}`, s.given.Add(1), s.seconds)
	}))
	t.Cleanup(s.Close)
	return s
}

// wrong is what the endpoint has against a request.
func (s *tokens) wrong(r *http.Request) string {
	parts := strings.Split(r.FormValue("assertion"), ".")
	if r.Method != http.MethodPost || r.FormValue("grant_type") != googleGrant || len(parts) != 3 {
		return "no grant"
	}
	var head struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	for i, into := range []any{&head, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			return "no JWT"
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return "signature"
	}
	now := time.Now().Unix()
	if head.Alg != "RS256" || head.Kid != "k1" || claims.Iss != account || claims.Aud != s.URL+"/token" ||
		claims.Scope != googleScope || claims.Iat > now || claims.Exp <= now || claims.Exp-claims.Iat > 3600 {
		return "claims"
	}
	return ""
}

// keyFile of the account.
func (s *tokens) keyFile(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project", "client_email": account, "private_key_id": "k1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// googleLab is a lab with one channel whose credential is a key file.
func googleLab(t *testing.T, url, keyFile string) *lab {
	t.Helper()
	l := newLab(t, spec{url: url, change: func(c *config.Channel) { c.Secret = config.Secret(keyFile) }})
	l.prepare.auth = sdk.Auth{Kind: sdk.AuthGoogle}
	return l
}

const asksHello = `{"model":"` + model + `","messages":[{"role":"user","content":"Hello"}]}`

func askAt(t *testing.T, front string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front+"/chat", strings.NewReader(asksHello))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := readUpTo(resp.Body, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp, string(body)
}

// takesToken answers whoever has one of the tokens it takes.
func takesToken(t *testing.T, good func(token string) bool) (url string, seen *atomic.Int64) {
	t.Helper()
	seen = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !good(token) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":{"code":401,"message":"no %s","status":"UNAUTHENTICATED"}}`, r.Header.Get("Authorization"))
			return
		}
		fmt.Fprint(w, `{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, seen
}

func TestAllRequestsOfAnAccountShareOneToken(t *testing.T) {
	google := newTokens(t, 3600)
	up, seen := takesToken(t, func(token string) bool { return token == "ya29.token-1" })
	front := googleLab(t, up, google.keyFile(t)).serve()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if resp, body := askAt(t, front); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
	}
	all.Wait()
	if n := google.given.Load(); n != 1 || seen.Load() != 8 {
		t.Errorf("%d tokens for %d requests", n, seen.Load())
	}
}

func TestATokenIsRenewedBehindThoseWhoUseIt(t *testing.T) {
	google := newTokens(t, 2)
	up, _ := takesToken(t, func(string) bool { return true })
	front := googleLab(t, up, google.keyFile(t)).serve()
	for end := time.Now().Add(patience); google.given.Load() < 2; time.Sleep(10 * time.Millisecond) {
		if resp, body := askAt(t, front); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		if time.Now().After(end) {
			t.Fatal("the token is not renewed")
		}
	}
}

// A token that is shorter than the margins was fetched for every request.
func TestAShortTokenIsUsedMoreThanOnce(t *testing.T) {
	google := newTokens(t, 240)
	up, seen := takesToken(t, func(string) bool { return true })
	front := googleLab(t, up, google.keyFile(t)).serve()
	for range 5 {
		if resp, body := askAt(t, front); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	if n := google.given.Load(); n != 1 || seen.Load() != 5 {
		t.Errorf("%d tokens for %d requests", n, seen.Load())
	}
}

func TestA401BringsANewToken(t *testing.T) {
	google := newTokens(t, 3600)
	up, seen := takesToken(t, func(token string) bool { return token == "ya29.token-2" })
	front := googleLab(t, up, google.keyFile(t)).serve()
	if resp, body := askAt(t, front); resp.StatusCode != http.StatusOK || seen.Load() != 2 {
		t.Errorf("%s after %d tries: %s", resp.Status, seen.Load(), body)
	}
}

// What goes wrong says why to the operator, and no secret to anybody.
func TestNoTokenIsNoSecret(t *testing.T) {
	google := newTokens(t, 3600)
	other := newTokens(t, 3600)
	for _, tc := range []struct{ name, keyFile, why string }{
		{"another's signature", strings.ReplaceAll(google.keyFile(t), google.URL, other.URL), "400 invalid_grant Invalid JWT Signature. signature"},
		{"a plain key", "AIza-no-key-file", "no key file of a service account"},
		{"a user's file", `{"type":"authorized_user","refresh_token":"x"}`, "no key file of a service account"},
		{"no private key", `{"type":"service_account","private_key":"x","token_uri":"` + google.URL + `/token"}`, "private_key is no PEM"},
		{"a token endpoint in the clear", strings.ReplaceAll(google.keyFile(t), google.URL, "http://tokens.example.com"), "token_uri is no https address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up, seen := takesToken(t, func(string) bool { return true })
			l := googleLab(t, up, tc.keyFile)
			front := l.serve()
			resp, body := askAt(t, front)
			log := l.log.String()
			if resp.StatusCode < 500 || seen.Load() != 0 {
				t.Errorf("%s: %s", resp.Status, body)
			}
			if !strings.Contains(log, tc.why) {
				t.Errorf("the log says\n%s", log)
			}
			for _, text := range []string{body, log} {
				if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "AIza") || strings.Contains(text, "ya29") {
					t.Errorf("a secret is in %s", text)
				}
			}
		})
	}
}

func TestAKeyFileGoesIntoNoRequest(t *testing.T) {
	up, seen := takesToken(t, func(string) bool { return true })
	l := googleLab(t, up, newTokens(t, 3600).keyFile(t))
	l.prepare.auth = sdk.Auth{Kind: sdk.AuthBearer}
	if resp, body := askAt(t, l.serve()); resp.StatusCode < 500 || seen.Load() != 0 || strings.Contains(body, "PRIVATE") {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

const serviceAccount = "router@wall-project.iam.gserviceaccount.com"

// keyFile writes the key file of a service account that gets its tokens at a wall.
func keyFile(t *testing.T, key *rsa.PrivateKey, w *wall.Wall) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "client_email": serviceAccount, "private_key_id": "k1", "token_uri": strings.TrimSuffix(w.URL(), "/v1") + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Gemini and Claude on Vertex AI, by one service account, for clients of each format.
func TestEachFormatReachesVertex(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := wall.Start(t, wall.Models(wall.GeminiModel, wall.ClaudeModel), wall.Account(serviceAccount, &key.PublicKey))
	r := startRouter(t, listen+fmt.Sprintf(`
channel "vertex" {
  provider = provider.vertex
  base_url = %q
  api_key  = file(%q)
  settings = { project = "wall-project", location = "us-east5" }
  models   = ["gemini-3-flash", "claude-sonnet-5"]
}
`, strings.TrimSuffix(w.URL(), "/v1"), keyFile(t, key, w)))
	for format, client := range reach {
		for _, model := range []string{wall.GeminiModel, wall.ClaudeModel} {
			t.Run(format+" to "+model, func(t *testing.T) {
				for _, stream := range []bool{false, true} {
					if said := client(t, r, model, stream); said != "You said: Hello" {
						t.Errorf("streamed %v it says %q", stream, said)
					}
				}
			})
		}
	}
	tokens := 0
	for _, q := range w.Requests() {
		if q.Path == "/token" {
			tokens++
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were asked for", tokens)
	}
	resp, b, err := r.post(t.Context(), "/messages/count_tokens", []byte(`{"model":"claude-sonnet-5","messages":[{"role":"user","content":"Hello"}]}`), "anthropic-version", wall.FirstVersion)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Warning") != "" || !strings.Contains(string(b), `"input_tokens"`) {
		t.Errorf("counting: %v %s %s, warning %q", err, resp.Status, b, resp.Header.Get("Warning"))
	}
	m, resp := r.message(t, `{"model":"claude-sonnet-5","max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`)
	if resp.StatusCode != http.StatusOK || m.StopReason != "end_turn" || resp.Header.Get("Warning") != "" {
		t.Errorf("%s: %+v, warning %q", resp.Status, m, resp.Header.Get("Warning"))
	}
}

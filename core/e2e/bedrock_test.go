package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// The keys are those of AWS's documentation.
const (
	awsID     = "AKIAIOSFODNN7EXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	awsToken  = "IQoJb3JpZ2luX2Vj/+token=="
)

// profile is an ARN, with slashes and colons in it.
const profile = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-5-v1:0"

// atBedrock is a router with a channel at Bedrock by each kind of credential.
func atBedrock(t *testing.T, w *wall.Wall) *router {
	t.Helper()
	channel := func(name, credential, model string) string {
		return fmt.Sprintf("channel %q {\n  provider = provider.here\n  region = %q\n  models = [%q]\n  aliases = { %s = %q }\n%s\n}\n",
			name, wall.BedrockRegion, name, name, model, credential)
	}
	keys := "  aws {\n    access_key_id = \"" + awsID + "\"\n    secret_access_key = \"" + awsSecret + "\"\n"
	return startRouter(t, listen+fmt.Sprintf("provider \"here\" {\n  base_url = %q\n  adapter = plugin.adapter.bedrock\n}\n", w.URL())+
		channel("signed", keys+"  }", wall.BedrockModel)+
		channel("session", keys+"    session_token = \""+awsToken+"\"\n  }", wall.BedrockModel)+
		channel("bearer", fmt.Sprintf("  api_key = %q", formatsKey), wall.BedrockModel)+
		channel("profile", keys+"  }", profile)+
		channel("revoked", strings.Replace(keys, awsSecret, "not-the-secret", 1)+"  }", wall.BedrockModel))
}

func bedrockWall(t *testing.T, options ...wall.Option) *wall.Wall {
	return wall.Start(t, append([]wall.Option{
		wall.Key(formatsKey, awsID+":"+awsSecret, awsID+":"+awsSecret+":"+awsToken), wall.Models(wall.BedrockModel, profile),
	}, options...)...)
}

// Each kind of credential is accepted, and none of them is anywhere else in a
// request than in its own place.
func TestBedrockTakesSignaturesAndKeys(t *testing.T) {
	t.Parallel()
	w := bedrockWall(t)
	r := atBedrock(t, w)
	for _, model := range []string{"signed", "session", "bearer", "profile"} {
		for _, stream := range []bool{false, true} {
			if err := r.ask(t.Context(), model, stream, "Hello"); err != nil {
				t.Errorf("%s, stream %v: %v", model, stream, err)
			}
		}
	}
	for _, seen := range w.Requests() {
		if head := fmt.Sprint(seen.Header); strings.Contains(head, awsSecret) || strings.Contains(string(seen.Body), awsID) {
			t.Errorf("a secret was sent: %s %s", head, seen.Body)
		}
	}
	resp, b, err := r.post(t.Context(), "/chat/completions", chatBody("revoked", false, "Hello"))
	if err != nil || resp.StatusCode < http.StatusInternalServerError || strings.Contains(string(b), awsID) {
		t.Errorf("%v %s: %s", err, resp.Status, b)
	}
}

// The answer of a model that names neither itself nor its answer has both.
func TestBedrocksAnswersHaveNames(t *testing.T) {
	t.Parallel()
	r := atBedrock(t, bedrockWall(t))
	_, b, err := r.post(t.Context(), "/chat/completions", chatBody("signed", false, "Hello"))
	var a struct {
		ID, Model string
		Created   int64
	}
	if err != nil || json.Unmarshal(b, &a) != nil || !strings.HasPrefix(a.ID, "chatcmpl-") || a.Model != wall.BedrockModel || a.Created == 0 {
		t.Errorf("%v: %s", err, b)
	}
	_, b, err = r.post(t.Context(), "/chat/completions", chatBody("signed", true, "Hello"))
	if err != nil || !strings.Contains(string(b), `"id":"chatcmpl-`) || !strings.Contains(string(b), `"model":"`+wall.BedrockModel) {
		t.Errorf("%v: %s", err, b)
	}
}

// A talk with all that Converse takes passes its strict checks, from both kinds
// of clients.
func TestATalkAtBedrock(t *testing.T) {
	t.Parallel()
	w := bedrockWall(t)
	r := atBedrock(t, w)
	pdf := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4"))
	for _, stream := range []bool{false, true} {
		m := message{}
		body := fmt.Sprintf(`{"model":"signed","max_tokens":4000,"stream":%v,"thinking":{"type":"enabled","budget_tokens":2000},"system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral"}}],
		"tools":[{"name":"weather","description":"","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],
		"messages":[{"role":"user","content":[{"type":"text","text":"See"},{"type":"document","title":"a_b.pdf","source":{"type":"base64","media_type":"application/pdf","data":%q}},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"Of another.","signature":"gemini:x"},{"type":"tool_use","id":"call.1","name":"weather","input":{"city":"Oslo"}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"call.1","content":"cold","is_error":true}]},
		{"role":"user","content":"And now?"}]}`, stream, pdf)
		_, b, err := r.post(t.Context(), "/messages", []byte(body), "anthropic-version", wall.FirstVersion)
		if err != nil {
			t.Fatal(err)
		}
		if stream {
			if text := string(b); !strings.Contains(text, `"thinking_delta"`) || !strings.Contains(text, `"signature_delta"`) || !strings.Contains(text, "event: message_stop") {
				t.Errorf("got %s", b)
			}
			continue
		}
		if err := json.Unmarshal(b, &m); err != nil || len(m.Content) != 2 || m.Content[0].Type != "thinking" || m.Content[0].Signature == "" || m.StopReason != "end_turn" {
			t.Errorf("%v: %s", err, b)
		}
	}
	tools := `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}],"parallel_tool_calls":false`
	_, b, err := r.post(t.Context(), "/chat/completions", []byte(`{"model":"bearer","messages":[{"role":"user","content":"weather?"}],`+tools+`}`))
	var a struct {
		Choices []struct {
			Message struct {
				Calls []struct {
					Function struct{ Name, Arguments string }
				} `json:"tool_calls"`
			}
			Finish string `json:"finish_reason"`
		}
	}
	if err != nil || json.Unmarshal(b, &a) != nil || len(a.Choices) != 1 || len(a.Choices[0].Message.Calls) != 1 ||
		a.Choices[0].Message.Calls[0].Function.Name != "weather" || a.Choices[0].Finish != "tool_calls" {
		t.Errorf("%v: %s", err, b)
	}
}

// What is wrong with a request comes back as such, in the client's words for it.
func TestWhatBedrockRefusesIsTheClientsToMend(t *testing.T) {
	t.Parallel()
	r := atBedrock(t, bedrockWall(t))
	resp, b, err := r.post(t.Context(), "/chat/completions", []byte(`{"model":"signed","messages":[{"role":"assistant","content":"I begin."}]}`))
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "must start with a user message") {
		t.Errorf("%v %s: %s", err, resp.Status, b)
	}
	resp, b, err = r.post(t.Context(), "/chat/completions", []byte(`{"model":"signed","n":2,"messages":[{"role":"user","content":"Hi"}]}`))
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "one answer") {
		t.Errorf("%v %s: %s", err, resp.Status, b)
	}
}

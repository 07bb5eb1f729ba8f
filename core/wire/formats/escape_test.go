package formats_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/formats"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// What a client writes into a string or a name stays in it: else it could give a
// provider's request another model, say.
func TestNothingBreaksOutOfAString(t *testing.T) {
	t.Parallel()
	const out = `a\",\"stolen\":1,\"b\":\"c` // as the inside of a string
	const turns = `"messages":[{"role":"user","content":"Hi"}]`
	plain, _ := rawjson.AppendText(nil, []byte(out))
	signature := func(before string) string {
		return base64.StdEncoding.EncodeToString(append([]byte(before), plain...))
	}
	for name, tc := range map[string]struct{ format, path, body string }{
		"reasoning_effort":  {"openai", "", `{"model":"m",` + turns + `,"reasoning_effort":"` + out + `"}`},
		"reasoning":         {"openai", "", `{"model":"m",` + turns + `,"reasoning":{"effort":"` + out + `","max_tokens":1}}`},
		"image":             {"openai", "", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + out + `"}}]}]}`},
		"options":           {"openai", "", `{"model":"m",` + turns + `,"options":{"` + out + `":1}}`},
		"unknown field":     {"openai", "", `{"model":"m",` + turns + `,"` + out + `":1}`},
		"type of a part":    {"openai", "", `{"model":"m","messages":[{"role":"user","content":[{"type":"x_` + out + `","value":{}},{"type":"text","text":"Hi"}]}]}`},
		"type of a tool":    {"openai", "", `{"model":"m",` + turns + `,"tools":[{"type":"x_` + out + `","value":{}}]}`},
		"effort, responses": {"responses", "", `{"model":"m","input":"Hi","reasoning":{"effort":"` + out + `"},"` + out + `":1}`},
		"effort, anthropic": {"anthropic", "", `{"model":"m","max_tokens":1,` + turns + `,"output_config":{"effort":"` + out + `","` + out + `":1},"` + out + `":1}`},
		"signature": {"gemini", "/v1beta/models/m:generateContent", `{"contents":[{"role":"model","parts":[
			{"text":"Hm","thought":true,"thoughtSignature":"` + signature("smartrouter:") + `"}, {"text":"","thoughtSignature":"` + signature("smartrouter:redacted:") + `"},
			{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + signature("smartrouter:") + `"}]}]}`},
		"names, gemini": {"gemini", "/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[{"` + out + `":{}}],"` + out + `":1,
			"generationConfig":{"` + out + `":1,"thinkingConfig":{"thinkingLevel":"` + out + `"}}}`},
	} {
		for _, from := range formats.All {
			if from.Name != tc.format {
				continue
			}
			r, err := from.In.Facts(&hub.Ask{Endpoint: sdk.Chat, Path: tc.path, Header: http.Header{}, Body: []byte(tc.body)})
			if err != nil {
				t.Fatal(name, err)
			}
			q, err := from.In.Request([]byte(tc.body), &r)
			if err != nil {
				t.Fatal(name, err)
			}
			for _, to := range formats.All {
				var w hub.Warnings
				if sent, err := to.Out.Request(nil, q, &w); err == nil && broken(sent) {
					t.Errorf("%s goes to %s as %s", name, to.Name, sent)
				}
			}
			if sent := openai.AppendHub(nil, q); broken(sent) {
				t.Errorf("%s goes to plugins as %s", name, sent)
			}
		}
	}
}

// The word of a provider for why it stopped goes to clients of its own format,
// whoever says that it is its.
func TestNothingBreaksOutOfAFinish(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"anthropic", "gemini", "gemini/prompt:"} {
		body := `{"id":"i","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop",` +
			`"native_finish_reason":"` + of + `/a\",\"stolen\":1,\"b\":\"c"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`
		r, err := openai.ReadAnswer([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := openai.Refit(sdk.Chat, []byte(body), false, openai.Form{Events: true, Usage: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range formats.All {
			if to.In == nil {
				continue
			}
			said, err := to.In.Response(nil, r)
			if err != nil || broken(said) {
				t.Errorf("%s's word goes to a client of %s as %s, %v", of, to.Name, said, err)
			}
			w := to.In.Writer(&wire.Request{Stream: true})
			var split sse.Splitter
			var told []byte
			split.Feed(stream)
			for e := (sse.Event{}); split.Next(&e); {
				if told, err = w.Event(told, &e); err != nil {
					t.Fatal(err)
				}
			}
			if bytes.Contains(told, []byte(`"stolen":`)) {
				t.Errorf("%s's word goes to a client of %s as %s", of, to.Name, told)
			}
		}
	}
}

func broken(body []byte) bool {
	return !rawjson.Valid(body) || bytes.Contains(body, []byte(`"stolen":`))
}

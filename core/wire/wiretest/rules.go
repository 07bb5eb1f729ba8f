package wiretest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// base is a request that asks for nothing special.
const base = `{"model":"m","messages":[{"role":"user","content":"Hello"}]`

// asking is a request for each field that asks for it, beside base.
var asking = map[hub.Field]string{
	hub.Temperature: base + `,"temperature":0.5}`, hub.TopP: base + `,"top_p":0.5}`, hub.TopK: base + `,"top_k":5}`,
	hub.N: base + `,"n":2}`, hub.Seed: base + `,"seed":1}`,
	hub.FrequencyPenalty: base + `,"frequency_penalty":1}`, hub.PresencePenalty: base + `,"presence_penalty":1}`,
	hub.LogitBias: base + `,"logit_bias":{"1":2}}`, hub.Logprobs: base + `,"logprobs":true}`, hub.TopLogprobs: base + `,"top_logprobs":2}`,
	hub.UserField: base + `,"user":"u"}`, hub.Metadata: base + `,"metadata":{"a":"b"}}`, hub.ServiceTier: base + `,"service_tier":"default"}`,
	hub.Store: base + `,"store":true}`, hub.Prediction: base + `,"prediction":{"type":"content","content":"x"}}`,
	hub.Modalities: base + `,"modalities":["text","audio"]}`, hub.AudioOut: base + `,"audio":{"voice":"a"}}`,
	hub.WebSearch: base + `,"web_search_options":{"x":1}}`, hub.Verbosity: base + `,"verbosity":"low"}`,
	hub.PromptCacheKey: base + `,"prompt_cache_key":"k"}`, hub.PromptCacheRetention: base + `,"prompt_cache_retention":"24h"}`,
	hub.SafetyIdentifier: base + `,"safety_identifier":"u"}`, hub.SafetySettings: base + `,"safety_settings":[{"category":"C","threshold":"OFF"}]}`,
	hub.CacheControl: base + `,"cache_control":{"type":"ephemeral"}}`,
	hub.MaxTokens:    base + `,"max_tokens":7}`, hub.Stop: base + `,"stop":["x"]}`, hub.Streaming: base + `,"stream":true}`,
	hub.JSONMode:        base + `,"response_format":{"type":"json_object"}}`,
	hub.Schema:          base + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}`,
	hub.Tools:           base + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}`,
	hub.ParallelCalls:   base + `,"parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"f"}}]}`,
	hub.ToolChoiceField: base + `,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f"}}]}`,
	hub.ReasoningEffort: base + `,"reasoning_effort":"high"}`, hub.ReasoningBudget: base + `,"reasoning":{"max_tokens":2000}}`,
	hub.CustomTools: base + `,"tools":[{"type":"custom","custom":{"name":"f"}}]}`,
}

// Rules holds a format to its rules, by a request for each field: one that is
// refused is, one that is dropped brings a warning and changes nothing in what
// is sent, one that is left out does not even warn, and all others show.
func Rules(t *testing.T, f *hub.Format) {
	send := func(t *testing.T, body string) (out []byte, warnings hub.Warnings, refused bool) {
		q := Hub(t, []byte(body))
		warnings, err := f.Check(q)
		if err != nil {
			return nil, nil, true
		}
		out, failed := f.Outgoing(nil, q, &warnings)
		if failed != nil {
			t.Fatal(failed)
		}
		return out, warnings, false
	}
	for field, body := range asking {
		t.Run(field.String(), func(t *testing.T) {
			without := base + "}"
			if field == hub.ParallelCalls { // which nobody asks for without tools
				without = strings.Replace(body, `"parallel_tool_calls":false,`, "", 1)
			}
			plain, _, _ := send(t, without)
			out, warnings, refused := send(t, body)
			same := bytes.Equal(out, plain)
			rule := &f.Out.Rules[field]
			switch how := rule.How; how {
			case hub.Refused:
				if !refused {
					t.Errorf("is sent as %s", out)
				}
			case hub.Dropped:
				if refused || !same || len(warnings) != 1 {
					t.Errorf("is sent as %s with the warnings %q", out, warnings)
				}
			case hub.Ignored:
				if refused || !same || len(warnings) != 0 {
					t.Errorf("is sent as %s with the warnings %q", out, warnings)
				}
			default:
				if rule.Note == hub.ByURL {
					same = !same // the adapter sees to it
				}
				if refused || same || len(warnings) != 0 {
					t.Errorf("is %s, and is sent as %s with the warnings %q, refused %v", how, out, warnings, refused)
				}
			}
		})
	}
}

package sdk

import (
	"fmt"
	"testing"
)

func TestTextsOfAPrompt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, prompt, want string }{
		{name: "none", want: "[]"},
		{name: "no JSON", prompt: "{", want: "[]"},
		{
			name: "chat", prompt: `{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":""}}]}]}`,
			want: "[{/messages/0/content system be kind} {/messages/1/content/0/text user hi}]",
		},
		{
			name: "tools", prompt: `{"messages":[{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}]}`,
			want: "[{/messages/0/tool_calls/0/function/arguments assistant {}} {/messages/0/tool_calls/0/function/name assistant f} {/messages/1/content tool 42}]",
		},
		{
			name: "definitions", prompt: `{"tools":[{"type":"function","function":{"name":"f","description":"looks","parameters":{"type":"object","properties":{"id":{"type":"string","description":"whose"}}}}}],"response_format":{"type":"json_schema","json_schema":{"name":"s"}},"messages":[{"role":"user","content":"hi"}]}`,
			want: "[{/messages/0/content user hi} {/response_format/json_schema/name definitions s} {/tools/0/function/description definitions looks} {/tools/0/function/name definitions f} {/tools/0/function/parameters/properties/id/description definitions whose}]",
		},
		{name: "text", prompt: `{"input":["a","b"],"instructions":"c"}`, want: "[{/input/0  a} {/input/1  b} {/instructions  c}]"},
		{name: "odd keys", prompt: `{"documents":[{"a/~":"x"}]}`, want: "[{/documents/0/a~1~0  x}]"},
	} {
		if got := fmt.Sprint(Prompt(tc.prompt).Texts()); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	for prompt, want := range map[string]bool{`{"input":[1,2]}`: true, `{"prompt":[[1],[2]]}`: true, `{"input":"1"}`: false, `{"messages":[{"n":1}]}`: false, `{"tools":[{"examples":[{"input":1}]}]}`: false} {
		if got := Prompt(prompt).Numbers(); got != want {
			t.Errorf("numbers of %s: %v", prompt, got)
		}
	}
}

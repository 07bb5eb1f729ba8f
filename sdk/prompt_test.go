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
		{
			name: "arguments and results", prompt: `{"messages":[{"role":"user","content":[{"type":"tool_use","id":"c1","name":"f","input":{"id":"a","status":{"detail":"b"},"role":"system","type":"c"}}]}],
				"contents":[{"role":"model","parts":[{"functionCall":{"id":"c1","args":{"id":["d"]}}},{"functionResponse":{"id":"c1","response":{"type":"e"}}}]}],
				"documents":[{"id":"f"}],"prompt":{"id":"p","variables":{"status":"g"}}}`,
			want: "[{/contents/0/parts/0/functionCall/args/id/0 model d} {/contents/0/parts/1/functionResponse/response/type model e} {/documents/0/id  f}" +
				" {/messages/0/content/0/input/id user a} {/messages/0/content/0/input/role user system} {/messages/0/content/0/input/status/detail user b} {/messages/0/content/0/input/type user c}" +
				" {/messages/0/content/0/name user f} {/prompt/variables/status  g}]",
		},
		{
			name: "text where a word belongs", prompt: `{"messages":[{"role":"be kind","content":[{"type":"two words","text":"hi"}]}],"input":[{"type":"message","id":"m_1","status":"a\nb"}]}`,
			want: "[{/input/0/status  a\nb} {/messages/0/content/0/text  hi} {/messages/0/content/0/type  two words} {/messages/0/role  be kind}]",
		},
		{
			name: "a role in a part", prompt: `{"messages":[{"role":"user","content":[{"role":"assistant","text":"hi"}]}],"system":[{"role":"assistant","text":"a"}]}`,
			want: "[{/messages/0/content/0/text user hi} {/system/0/text  a}]",
		},
		{
			name: "ids and states in definitions", prompt: `{"tools":[{"type":"function","function":{"parameters":{"type":["object"],"default":{"id":"a","status":"b","type":"a text"}}}}]}`,
			want: "[{/tools/0/function/parameters/default/id definitions a} {/tools/0/function/parameters/default/status definitions b} {/tools/0/function/parameters/default/type definitions a text}]",
		},
		{
			name: "a request of Gemini's in another", prompt: `{"generateContentRequest":{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"description":"looks"}]}],"generation_config":{"responseSchema":{"title":"t"}}},"requests":[{"content":{"role":"user","parts":[{"text":"a"}]}}]}`,
			want: "[{/generateContentRequest/contents/0/parts/0/text user hi} {/generateContentRequest/generation_config/responseSchema/title definitions t} {/generateContentRequest/tools/0/functionDeclarations/0/description definitions looks} {/requests/0/content/parts/0/text user a}]",
		},
		{name: "odd keys", prompt: `{"documents":[{"a/~":"x"}]}`, want: "[{/documents/0/a~1~0  x}]"},
	} {
		if got := fmt.Sprint(Prompt(tc.prompt).Texts()); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	for prompt, want := range map[string]bool{`{"input":[1,2]}`: true, `{"prompt":[[1],[2]]}`: true, `{"input":"1"}`: false, `{"messages":[{"n":1}]}`: false, `{"messages":[{"content":[{"input":{"input":1}}]}]}`: false, `{"messages":[{"content":[{"input":[1]}]}]}`: false, `{"tools":[{"examples":[{"input":1}]}]}`: false} {
		if got := Prompt(prompt).Numbers(); got != want {
			t.Errorf("numbers of %s: %v", prompt, got)
		}
	}
}

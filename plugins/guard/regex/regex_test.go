package regex

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	keys := mask{Name: "keys", Pattern: `sk-[a-z]+`, With: "[key]"}
	for _, tc := range []struct {
		name         string
		guard        guard
		prompt       string
		reject, edit string
	}{
		{name: "nothing there", guard: guard{Deny: []deny{{Name: "x", Pattern: "x"}}}},
		{name: "passes", guard: guard{Deny: []deny{{Name: "x", Pattern: "x"}}}, prompt: `{"messages":[{"role":"user","content":"hello"}]}`},
		{
			name: "denied", guard: guard{Deny: []deny{{Name: "bomb", Pattern: "(?i)bomb", Message: "No bombs."}}},
			prompt: `{"messages":[{"role":"user","content":[{"type":"text","text":"a BOMB"}]}]}`, reject: "No bombs.",
		},
		{
			name: "denied without a message", guard: guard{Deny: []deny{{Name: "bomb", Pattern: "bomb"}}}, prompt: `{"input":"bomb"}`,
			reject: "The request has something in it that this router does not let through (bomb).",
		},
		{name: "escapes hide nothing", guard: guard{Deny: []deny{{Name: "x", Pattern: "bomb", Message: "no"}}}, prompt: `{"input":"\u0062omb"}`, reject: "no"},
		{
			name: "in the arguments of a tool", guard: guard{Deny: []deny{{Name: "x", Pattern: "bomb", Message: "no"}}},
			prompt: `{"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"bomb\"}"}}]}]}`, reject: "no",
		},
		{
			name: "in the definition of a tool", guard: guard{Deny: []deny{{Name: "x", Pattern: "bomb", Message: "no"}}},
			prompt: `{"tools":[{"type":"function","function":{"name":"f","description":"makes a bomb"}}]}`, reject: "no",
		},
		{
			name: "in definitions, which users do not write", guard: guard{Deny: []deny{{Name: "x", Pattern: "bomb", Roles: []string{"user"}}}},
			prompt: `{"tools":[{"type":"function","function":{"name":"f","description":"makes a bomb"}}]}`,
		},
		{
			name: "in definitions only", guard: guard{Mask: []mask{{Name: "x", Pattern: "sk-[a-z]+", With: "[key]", Roles: []string{"definitions"}}}},
			prompt: `{"messages":[{"role":"user","content":"sk-a"}],"tools":[{"name":"f","description":"use sk-b"}]}`,
			edit:   `[{"op":"replace","path":"/tools/0/description","value":"use [key]"}]`,
		},
		{name: "not in a type", guard: guard{Deny: []deny{{Name: "x", Pattern: "text", Message: "no"}}}, prompt: `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`},
		{name: "of another role", guard: guard{Deny: []deny{{Name: "x", Pattern: "a", Roles: []string{"user"}}}}, prompt: `{"messages":[{"role":"system","content":"a"}]}`},
		{
			name: "of no role", guard: guard{Deny: []deny{{Name: "x", Pattern: "a", Message: "no", Roles: []string{"user"}}}},
			prompt: `{"messages":[{"Role":"user","content":"a"}]}`, reject: "no",
		},
		{name: "at another path", guard: guard{Deny: []deny{{Name: "x", Pattern: "a", Paths: []string{"/messages/*/content"}}}}, prompt: `{"messages":[{"name":"a"}],"input":"a"}`},
		{
			name: "below a path", guard: guard{Deny: []deny{{Name: "x", Pattern: "a", Message: "no", Paths: []string{"/input", "/messages/*/content"}}}},
			prompt: `{"messages":[{"content":[{"text":"a"}]}]}`, reject: "no",
		},
		{name: "tokens", guard: guard{Mask: []mask{keys}}, prompt: `{"prompt":[1,2]}`, reject: "The prompt comes as the numbers of its tokens, which this router can't read. Send its text."},
		{name: "more tokens", guard: guard{Mask: []mask{keys}}, prompt: `{"input":[[1],[2]]}`, reject: "The prompt comes as the numbers of its tokens, which this router can't read. Send its text."},
		{name: "allowed tokens", guard: guard{Mask: []mask{keys}, AllowTokens: true}, prompt: `{"prompt":[1,2]}`},
		{
			name: "masked", guard: guard{Mask: []mask{keys, {Name: "mail", Pattern: `(\w+)@\w+`, With: "$1@..."}}},
			prompt: `{"messages":[{"role":"user","content":"sk-abc of bob@x"},{"role":"user","content":"nothing"},{"role":"tool","content":"sk-x"}]}`,
			edit:   `[{"op":"replace","path":"/messages/0/content","value":"[key] of bob@..."},{"op":"replace","path":"/messages/2/content","value":"[key]"}]`,
		},
		{name: "a key with a slash", guard: guard{Mask: []mask{keys}}, prompt: `{"documents":[{"a/b~c":"sk-x"}]}`, edit: `[{"op":"replace","path":"/documents/0/a~1b~0c","value":"[key]"}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := tc.guard.Validate(); err != nil {
				t.Fatal(err)
			}
			r, err := tc.guard.Inspect(context.Background(), sdk.Request{}, sdk.Prompt(tc.prompt))
			if err != nil {
				t.Fatal(err)
			}
			said, edit := "", ""
			if r.Rejection != nil {
				said = r.Rejection.Message
			}
			if r.Patch != nil {
				b, err := json.Marshal(r.Patch)
				if err != nil {
					t.Fatal(err)
				}
				edit = string(b)
			}
			if said != tc.reject || edit != tc.edit {
				t.Errorf("rejects with %q and edits %s, want %q and %s", said, edit, tc.reject, tc.edit)
			}
		})
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	g := guard{
		Deny: []deny{{Name: "a", Pattern: "("}, {Name: "b", Pattern: "x*"}},
		Mask: []mask{{Name: "c", Pattern: "x", Paths: []string{"/a", "messages"}}},
	}
	err := g.Validate()
	for _, want := range []string{"deny.0.pattern: error parsing regexp", "deny.1.pattern: matches where there is nothing", "mask.0.paths.1: must begin with a slash"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if err := (&guard{}).Validate(); err == nil || !strings.Contains(err.Error(), "has no rule") {
		t.Errorf("without rules: %v", err)
	}
	if err := (&guard{}).Start(context.Background(), sdk.Setup{}); err == nil {
		t.Error("starts without the grant")
	}
}

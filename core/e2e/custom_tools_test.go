package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Codex brings tools of free text, which only OpenAI's Responses have: elsewhere a
// function stands for them, and the client does not notice.
func TestCustomToolsReachEachFormat(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t), chatOnly))
	const tools = `"tools":[{"type":"custom","name":"apply_patch","description":"Edits files.","format":{"type":"grammar","syntax":"lark","definition":"start: \"x\""}}]`
	type item struct {
		Type, Name, Input string
		CallID            string `json:"call_id"`
		Content           []struct{ Text string }
	}
	for name, model := range served {
		if name == "responses" {
			continue // it has them itself
		}
		t.Run(name, func(t *testing.T) {
			resp, b, err := r.post(t.Context(), "/responses", fmt.Appendf(nil, `{"model":%q,"input":"Patch it",%s}`, model, tools))
			var a struct{ Output []item }
			if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(b, &a) != nil {
				t.Fatalf("%v: %s", err, b)
			}
			at := slices.IndexFunc(a.Output, func(i item) bool { return i.Type == "custom_tool_call" })
			if at < 0 || a.Output[at].Name != "apply_patch" || a.Output[at].Input != "input" { // what the wall says where a field of that name is wanted
				t.Fatalf("the answer is %s", b)
			}
			call := a.Output[at]
			_, b, err = r.post(t.Context(), "/responses", fmt.Appendf(nil, `{"model":%q,"input":"Patch it","stream":true,%s}`, model, tools))
			if err != nil || !strings.Contains(string(b), "response.custom_tool_call_input.delta") || strings.Contains(string(b), "function_call_arguments") {
				t.Errorf("%v: the stream is %s", err, b)
			}
			resp, b, err = r.post(t.Context(), "/responses", fmt.Appendf(nil, `{"model":%q,"input":[{"role":"user","content":"Patch it"},`+
				`{"type":"custom_tool_call","call_id":%q,"name":"apply_patch","input":%q},{"type":"custom_tool_call_output","call_id":%[2]q,"output":"done"}],%[4]s}`,
				model, call.CallID, call.Input, tools))
			if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "The tools said: done") {
				t.Errorf("%v: %s", err, b)
			}
		})
	}
}

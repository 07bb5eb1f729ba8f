package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
)

func TestRulesAreWhatHappens(t *testing.T) { wiretest.Rules(t, openai.Format) }

// A field of another format in a request could name another model than the one
// that was checked.
func TestNoFieldIsSmuggledIntoAnotherFormat(t *testing.T) {
	t.Parallel()
	q := wiretest.Hub(t, []byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"x_anthropic":{"model":"dear"}}`))
	for _, f := range q.Foreign {
		if f.Format != openai.Name || f.Key != "x_anthropic" {
			t.Errorf("%+v", f)
		}
	}
}

// A line break between the values of what a provider sent is none in an event.
func TestAnEventIsOneLine(t *testing.T) {
	t.Parallel()
	var out hub.Events
	out.Citation(0, hub.Raw("{\"a\":\r\n1}"))
	out.Copy([]byte("{\"error\":\n{}}"))
	var e sse.Event
	for out.Next(&e) {
		if strings.ContainsAny(string(e.Data), "\r\n") {
			t.Errorf("%q", e.Data)
		}
	}
}

// OpenAI takes 64 bytes, and Claude Code sends more.
func TestALongUserIsAHash(t *testing.T) {
	t.Parallel()
	q := wiretest.Hub(t, []byte(`{"model":"m","messages":[{"role":"user","content":"Hi"}],"user":"`+strings.Repeat("u", 65)+`"}`))
	var w hub.Warnings
	out, err := openai.Format.Out.Request(nil, q, &w)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := openai.Format.Out.Request(nil, q, &w)
	user := string(out[strings.Index(string(out), `"user":"`)+len(`"user":"`):])
	if len(user) != 64+len(`"}`) || string(again) != string(out) {
		t.Errorf("the user is %s", user)
	}
}

// Tools show images in their results, which OpenAI takes from users only.
func TestImagesOfToolsComeBehindTheirResults(t *testing.T) {
	t.Parallel()
	q := wiretest.Hub(t, []byte(`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},`+
		`{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]},{"role":"tool","tool_call_id":"b","content":"no"},{"role":"user","content":"And?"}]}`))
	var w hub.Warnings
	out, err := openai.Format.Out.Request(nil, q, &w)
	want := `{"role":"tool","tool_call_id":"a","content":"see"},{"role":"tool","tool_call_id":"b","content":"no"},` +
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]},{"role":"user","content":"And?"}`
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s", err, out)
	}
}

// A function that stands for a custom tool, at a provider that names a call with
// each of its pieces and says 0 of all.
func TestCustomToolsOfAProviderThatCountsWrong(t *testing.T) {
	t.Parallel()
	r := openai.Format.Out.Reader(nil)
	out := hub.Events{Customs: []string{"patch"}}
	for _, call := range []string{
		`{"index":0,"id":"a","function":{"name":"patch","arguments":"{\"input\":\"x"}}`, `{"index":0,"id":"a","function":{"name":"patch","arguments":"y\"}"}}`,
		`{"index":0,"id":"b","function":{"name":"patch","arguments":"{\"input\":\"z\"}"}}`,
	} {
		if err := r.Event(&out, &sse.Event{Data: []byte(`{"choices":[{"index":0,"delta":{"tool_calls":[` + call + `]}}]}`)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var k hub.Chunk
	for e := (sse.Event{}); out.Next(&e); {
		k.Read(e.Data)
		for _, c := range k.Calls(&k.Deltas[0]) {
			got = append(got, fmt.Sprint(c.Index, string(c.ID), string(c.Arguments)))
		}
	}
	if s := strings.Join(got, ", "); s != "0a, 0x, 0y, 1b, 1z" {
		t.Error(s)
	}
}

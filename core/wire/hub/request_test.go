package hub_test

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

func TestInputOfACallIsAnObject(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		``:                `{}`,
		" \n":             `{}`,
		`{"a":1}`:         `{"a":1}`,
		" {\"a\": 1} \n":  `{"a": 1}`,
		`{"a":1`:          `{"arguments":"{\"a\":1"}`,
		`[1]`:             `{"arguments":"[1]"}`,
		` no "object"`:    `{"arguments":" no \"object\""}`,
		`{"a":1} {"b":2}`: `{"arguments":"{\"a\":1} {\"b\":2}"}`,
	} {
		c := hub.Call{Input: []byte(in)}
		if got := string(c.AppendInput([]byte("~"))); got != "~"+want {
			t.Errorf("%q is sent as %s, want %s", in, got, want)
		}
	}
}

func TestCalledIsTheToolOfAResult(t *testing.T) {
	t.Parallel()
	call := func(id, name string) hub.Part {
		return hub.Part{Kind: hub.CallPart, Call: hub.Call{ID: hub.Text(id), Name: hub.Text(name)}}
	}
	q := hub.Request{Messages: []hub.Message{
		{Role: hub.Assistant, Parts: []hub.Part{call("1", "old"), call("2", "other")}},
		{Role: hub.ToolRole, CallID: hub.Text("1")},
		{Role: hub.Assistant, Parts: []hub.Part{{Text: hub.Text("again")}, call("1", "new")}},
		{Role: hub.ToolRole, CallID: hub.Text("1")},
		{Role: hub.ToolRole, CallID: hub.Text("2")},
		{Role: hub.ToolRole, CallID: hub.Text("3")},
		{Role: hub.Assistant, Parts: []hub.Part{call("3", "later")}},
	}}
	for i, want := range map[int]string{1: "old", 3: "new", 4: "other"} {
		if name, ok := q.Called(i); !ok || string(name) != want {
			t.Errorf("message %d is the result of %q, %v, want %q", i, name, ok, want)
		}
	}
	if name, ok := q.Called(5); ok {
		t.Errorf("a result without a call is of %q", name)
	}
	if n := len(hub.LastResults(q.Messages)); n != 0 {
		t.Errorf("%d results at the end, which the assistant has", n)
	}
	if last := hub.LastResults(q.Messages[:6]); len(last) != 3 || string(last[0].CallID) != "1" {
		t.Errorf("the last results are %v", last)
	}
}

func TestOwnWordOfAFinish(t *testing.T) {
	t.Parallel()
	for native, want := range map[string]string{"": "", "anthropic": "", "anthropic/": "", "anthropic/a/b": "a/b", "gemini/SPII": ""} {
		f := hub.Finish{Native: native}
		if got := f.Own("anthropic"); got != want {
			t.Errorf("of %q Anthropic has said %q, want %q", native, got, want)
		}
	}
}

func TestLocateLeavesNothingUnescaped(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]hub.Part{
		`https://host/a.png`:                  {URL: hub.Text(`https://host/a.png`)},
		`data:image/png;base64,aGk=`:          {Media: hub.Text("image/png"), Data: hub.Text("aGk=")},
		`data:image\/png;base64,a\u002Bk=`:    {Media: hub.Text("image/png"), Data: hub.Text("a+k=")},
		`data:image/png;base64,a\",\"b\":\"c`: {Media: hub.Text("image/png"), Data: hub.Text(`a\",\"b\":\"c`)},
		`data:image/png,plain`:                {URL: hub.Text(`data:image/png,plain`)},
	} {
		var p hub.Part
		if p.Locate(hub.Text(url)); string(p.URL) != string(want.URL) || string(p.Media) != string(want.Media) || string(p.Data) != string(want.Data) {
			t.Errorf("%s is at %q, or %q of %q", url, p.URL, p.Data, p.Media)
		}
	}
}

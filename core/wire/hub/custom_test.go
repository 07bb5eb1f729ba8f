package hub_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// called is what a client has of a custom call whose function is called with
// arguments that come in pieces; every event is read by itself, as clients do.
func called(t *testing.T, pieces ...string) string {
	t.Helper()
	out := hub.Events{Customs: []string{"patch"}}
	out.Call(0, 0, &hub.Call{ID: hub.Text("c"), Name: hub.Text("other")})
	out.Call(0, 1, &hub.Call{ID: hub.Text("c1"), Name: hub.Text("patch")})
	for _, p := range pieces {
		quoted := rawjson.AppendQuote(nil, p)
		out.Arguments(0, 1, quoted[1:len(quoted)-1])
		out.Arguments(0, 0, hub.Text("{}"))
	}
	out.Finish(0, &hub.Finish{Reason: hub.FinishCalls})
	said := ""
	for e := (sse.Event{}); out.Next(&e); {
		var k struct {
			Choices []struct {
				Delta struct {
					Calls []struct {
						Index  int
						Custom *struct{ Name, Input string }
					} `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal(e.Data, &k); err != nil {
			t.Fatalf("%v in %s", err, e.Data)
		}
		for _, c := range k.Choices[0].Delta.Calls {
			if (c.Custom != nil) != (c.Index == 1) {
				t.Fatalf("%s", e.Data)
			}
			if c.Custom != nil {
				said += c.Custom.Input
			}
		}
	}
	return said
}

// Wherever the arguments are cut in two, the text in them is the same.
func TestCustomInputIsUnwrappedWhereverItIsCut(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[string]string{
		`{"input":"*** Begin\n+\"a\"\t\\\u00e9 \ud83d\ude00é"}`: "*** Begin\n+\"a\"\t\\é 😀é",
		` { "input" : "x" , "more":"y"}`:                        "x",
		`{"why":"say \"input\": \"no\"","input":"yes"}`:         "yes",
		`{"input":""}`:       "",
		`{}`:                 "",
		`not as told`:        "not as told",
		`{"text":"x"}`:       `{"text":"x"}`,
		`{"input":"\ud83d"}`: "\ufffd",
		`{"input":"\ud83d\n\ud83d\\\ud83d\ud83d\ude00"}`: "\ufffd\n\ufffd\\\ufffd😀",
	} {
		runes := []rune(arguments)
		for at := range runes {
			if got := called(t, string(runes[:at]), string(runes[at:])); got != want {
				t.Errorf("%s cut at %d is %q", arguments, at, got)
			}
		}
		if got := called(t, strings.Split(arguments, "")...); got != want {
			t.Errorf("%s in pieces is %q", arguments, got)
		}
	}
}

func TestCustomInputOfAWholeAnswerIsUnwrapped(t *testing.T) {
	t.Parallel()
	call := func(name, input string) hub.Part {
		return hub.Part{Kind: hub.CallPart, Call: hub.Call{Name: hub.Text(name), Input: []byte(input)}}
	}
	r := hub.Response{Choices: []hub.Answer{{Parts: []hub.Part{
		{Text: hub.Text("patch")}, call("patch", `{"input":"a\nb"}`), call("patch", "not as told"), call("other", `{"input":"x"}`),
	}}}}
	r.Customize([]string{"patch"})
	p := r.Choices[0].Parts
	if p[0].Call.Custom || string(p[1].Call.Input) != "a\nb" || !p[1].Call.Custom || string(p[2].Call.Input) != "not as told" || !p[2].Call.Custom || p[3].Call.Custom {
		t.Errorf("%+v", p)
	}
}

// Any text comes out as a decoder reads it, whole and rune by rune.
func FuzzCustomInput(f *testing.F) {
	f.Add(`a\"\n\ud83d\ude00\ud83d\\`)
	f.Fuzz(func(t *testing.T, inside string) {
		quoted := `"` + inside + `"`
		var want string
		if !rawjson.Valid([]byte(quoted)) || json.Unmarshal([]byte(quoted), &want) != nil {
			return
		}
		arguments := `{"input":` + quoted + `}`
		for _, pieces := range [][]string{{arguments}, strings.Split(arguments, "")} {
			if got := called(t, pieces...); got != want {
				t.Errorf("%q in %d pieces is %q", arguments, len(pieces), got)
			}
		}
	})
}

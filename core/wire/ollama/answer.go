package ollama

import (
	"fmt"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// line is a whole answer, or one of a stream's lines.
type line struct {
	model, at, reason hub.Text
	content, thinking hub.Text
	calls, logprobs   hub.Raw
	failed            hub.Raw
	message, done     bool
	input, output     int64
}

func (l *line) read(body []byte) {
	*l = line{}
	c := rawjson.Cursor{Doc: body}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "model":
			l.model, _ = c.Str()
		case "created_at":
			l.at, _ = c.Str()
		case "message":
			l.said(&c)
		case "done":
			l.done = string(c.Skip().Of(body)) == "true"
		case "done_reason":
			l.reason, _ = c.Str()
		case "prompt_eval_count":
			l.input, _ = c.Int()
		case "eval_count":
			l.output, _ = c.Int()
		case "logprobs":
			if v := c.Skip().Of(body); v[0] == '[' {
				l.logprobs = v
			}
		case "error":
			if v := c.Skip().Of(body); string(v) != "null" {
				l.failed = v
			}
		default:
			c.Skip()
		}
	}
}

func (l *line) said(c *rawjson.Cursor) {
	if !c.Object() {
		c.Skip()
		return
	}
	l.message = true
	for c.Key() {
		switch string(c.Name) {
		case "content":
			l.content, _ = c.Str()
		case "thinking":
			l.thinking, _ = c.Str()
		case "tool_calls":
			l.calls = c.Skip().Of(c.Doc)
		default:
			c.Skip()
		}
	}
}

func (l *line) usage() wire.Usage {
	in, out := max(0, l.input), max(0, l.output)
	return wire.Usage{Input: in, Output: out, Total: in + out}
}

// finish is why the model stopped; called: it calls tools.
func (l *line) finish(called bool) hub.Finish {
	switch r := string(l.reason); {
	case r == "length":
		return hub.Finish{Reason: hub.FinishLength}
	case r != "" && r != "stop": // load, unload
		return hub.Finish{Reason: hub.FinishStop, Native: Name + "/" + r}
	case called:
		return hub.Finish{Reason: hub.FinishCalls}
	}
	return hub.Finish{Reason: hub.FinishStop}
}

// created is when the line was made, in Unix seconds; 0: it does not say.
func (l *line) created() int64 {
	at, err := time.Parse(time.RFC3339Nano, string(l.at))
	if err != nil {
		return 0
	}
	return at.Unix()
}

// mark is what the line's time has for digits: nothing else in an answer of
// Ollama's differs from all others, and ids have to.
func (l *line) mark() []byte {
	var m []byte
	for _, b := range l.at {
		if b >= '0' && b <= '9' {
			m = append(m, b)
		}
	}
	return m
}

// id is one for the answer, which has none.
func (l *line) id() hub.Text { return append(hub.Text("chatcmpl-"), l.mark()...) }

// eachCall goes over the calls of a line. Where a call has no id, which it only
// has at newer servers, it gets one: n is how many calls came before.
func (l *line) eachCall(n int64, do func(*hub.Call)) {
	c := rawjson.Cursor{Doc: l.calls}
	if !c.Array() {
		return
	}
	for ; c.More(); n++ {
		raw := c.Skip().Of(l.calls)
		f := rawjson.Child(raw, "function")
		call := hub.Call{ID: rawjson.Str(raw, "id"), Name: rawjson.Str(f, "name")}
		if len(call.ID) == 0 {
			call.ID = append(append(hub.Text("call_"), l.mark()...), '_')
			call.ID = strconv.AppendInt(call.ID, n, 10)
		}
		if call.Input = rawjson.Child(f, "arguments"); !rawjson.IsObject(call.Input) {
			call.Input = []byte("{}")
		}
		do(&call)
	}
}

// readAnswer reads a whole answer of Ollama's.
func readAnswer(body []byte) (*hub.Response, error) {
	l, err := readWhole(body)
	if err != nil {
		return nil, err
	}
	r := &hub.Response{From: Name}
	if l.failed != nil {
		r.Error = openai.ErrorIn(body)
		return r, nil
	}
	r.ID, r.Model, r.Created, r.Usage = l.id(), l.model, l.created(), l.usage()
	var a hub.Answer
	if len(l.thinking) > 0 {
		a.Parts = append(a.Parts, hub.Part{Kind: hub.ThoughtPart, Text: l.thinking})
	}
	if len(l.content) > 0 {
		a.Parts = append(a.Parts, hub.Part{Text: l.content})
	}
	called := false
	l.eachCall(0, func(call *hub.Call) {
		a.Parts = append(a.Parts, hub.Part{Kind: hub.CallPart, Call: *call})
		called = true
	})
	if l.logprobs != nil {
		a.Logprobs = append(append(hub.Raw(`{"content":`), l.logprobs...), `,"refusal":null}`...)
	}
	a.Finish = l.finish(called)
	r.Choices = []hub.Answer{a}
	return r, nil
}

// readWhole reads a whole answer's only line.
func readWhole(body []byte) (*line, error) {
	if !rawjson.Valid(body) {
		return nil, fmt.Errorf("answer of Ollama: it is no JSON")
	}
	l := &line{}
	if l.read(body); !l.message && l.failed == nil {
		return nil, fmt.Errorf("answer of Ollama: it has no message")
	}
	return l, nil
}

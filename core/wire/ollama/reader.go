package ollama

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// reader translates a stream of Ollama's into the hub's.
type reader struct {
	begun bool
	calls int64 // so far
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	var l line
	l.read(e.Data)
	if l.failed != nil {
		out.Copy(openai.AppendError(nil, openai.Fault(500, openai.ErrorIn(e.Data).Message)))
		return nil
	}
	if !r.begun && (l.message || l.done) {
		r.begun = true
		out.Start(l.id(), l.model, l.created())
		out.Role(0)
	}
	if len(l.thinking) > 0 {
		out.Thought(0, l.thinking)
	}
	if len(l.content) > 0 {
		out.Text(0, l.content)
	}
	if l.logprobs != nil {
		out.Logprobs(0, append(append(hub.Raw(`{"content":`), l.logprobs...), '}'))
	}
	l.eachCall(r.calls, func(call *hub.Call) {
		out.Call(0, r.calls, call)
		r.calls++
	})
	if l.done {
		f, u := l.finish(r.calls > 0), l.usage()
		out.Finish(0, &f)
		out.Usage(&u)
		out.Done()
	}
	return nil
}

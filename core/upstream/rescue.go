package upstream

import (
	"context"
	"slices"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Rescue is how it ended with a stream that had broken off.
type Rescue string

// The rescues.
const (
	// Rescued: another target went on with it.
	Rescued Rescue = "rescued"
	// Differed: a target was asked, and what it said was no repetition.
	Differed Rescue = "differed"
	// Failed: no target got as far as the client was.
	Failed Rescue = "failed"
	// TooLate: rescue_timeout was over.
	TooLate Rescue = "too_late"
	// Impossible: a second stream could not repeat the first, as where the
	// provider runs tools of its own.
	Impossible Rescue = "impossible"
)

// rescue is a stream that broke off and is to go on. The client knows what the
// transcript has; whoever repeats that may go on with it.
type rescue struct {
	transcript *openai.Transcript
	running    bool
	until      time.Time
	// fallback and model are those of the target that began it.
	fallback int
	model    string
	// again is the target that broke off, where it may do better soon.
	again *board.Target
	// next is the plan's next target, and level its fallback, where that waits.
	next   *board.Target
	level  int
	differ bool
	// told is what the client is told in the end, after so many events.
	told   *wire.Error
	events int
	// spent is what the streams cost that are not the answer.
	spent spent
}

// spent counts streams that broke off.
type spent struct {
	streams int64
	pieces  int64 // of content in them
}

// onto adds what was spent to the usage of the stream that went on. What a
// stream cost that broke off nobody has told: the prompt was the same, and most
// providers send a token an event.
func (s spent) onto(u wire.Usage) wire.Usage {
	if u == (wire.Usage{}) {
		return u // nobody counts
	}
	u.Input += s.streams * u.Input
	u.Output += s.pieces
	u.Total = u.Input + u.Output
	return u
}

// watched makes a transcript of a stream that may have to be rescued; nil: it
// may not.
func (f *forward) watched() *openai.Transcript {
	if f.call.Rules.Rescue == config.RescueOff || f.call.Rules.Rescue == "" || !openai.Rescuable(f.call.Endpoint) {
		return nil
	}
	return &openai.Transcript{Endpoint: f.call.Endpoint}
}

// brokeOff deals with a stream that did after the commit, after so many events,
// so that the client is told that unless it can be rescued.
func (s *stream) brokeOff(why *failure, told *wire.Error) verdict {
	f := s.f
	channel := s.target.Channel.Config.Name
	if s.transcript == nil {
		f.d.say(channel, "stream broke off", why.reason)
		f.out.Err = told
		f.client.fault(told, s.progress.Events)
		return final
	}
	r := f.rescue
	if r == nil {
		r = &rescue{transcript: s.transcript, fallback: s.fallback, model: s.target.Model}
		f.rescue = r
	}
	f.d.say(channel, "stream broke off, looking for a rescue", why.reason)
	r.told, r.events, r.differ, r.again = told, s.progress.Events, false, nil
	r.until = time.Now().Add(f.call.Rules.RescueTimeout)
	if why.again {
		r.again = s.target
	}
	if s.transcript.Err() != nil || f.serverTools() {
		return f.lost(Impossible)
	}
	return cut
}

// goOn looks for a target that goes on with the stream.
func (f *forward) goOn(ctx context.Context) verdict {
	r := f.rescue
	if r.running {
		return cut // it has gone on for a while, and the search goes on too
	}
	r.running = true
	for !f.spent() && time.Now().Before(r.until) {
		t, fallback, again := f.rescuer()
		if t == nil {
			if v := f.queue(ctx, max(1, time.Until(r.until))); v == final {
				return final
			} else if v == cut {
				continue
			}
			break
		}
		if again && !f.pause(ctx, backoff()) {
			return final
		}
		if f.try(ctx, &attempt{target: t, fallback: fallback, again: again}) == final {
			return final
		}
	}
	switch {
	case r.differ:
		return f.lost(Differed)
	case !time.Now().Before(r.until):
		return f.lost(TooLate)
	}
	return f.lost(Failed)
}

// rescuer is the next target to ask: another one of the model, the same once
// more, and only then one of a fallback model, which will hardly say the same.
func (f *forward) rescuer() (t *board.Target, fallback int, again bool) {
	r := f.rescue
	if r.next == nil {
		r.next, r.level, _ = f.next()
	}
	if t := r.again; t != nil && (r.next == nil || r.level > r.fallback) {
		r.again = nil
		return t, r.fallback, true
	}
	t, r.next = r.next, nil
	return t, r.level, false
}

// lost ends a stream that nobody goes on with.
func (f *forward) lost(how Rescue) verdict {
	f.d.observer.Rescue(how)
	f.out.Err = f.rescue.told
	f.client.fault(f.rescue.told, f.rescue.events)
	return final
}

// serverTools tells whether the provider runs tools of its own for the request.
func (f *forward) serverTools() bool {
	if f.call.format() == openai.Format {
		return serverTools(f.call.Body)
	}
	q, err := f.asked()
	return err != nil || slices.ContainsFunc(q.Tools, func(t hub.Tool) bool { return t.Foreign.Format != "" })
}

// begin gives a translated request the beginning of the answer, where the target
// goes on with it.
func (a *attempt) begin(q *hub.Request) error {
	r := a.f.rescue
	if r == nil {
		return nil
	}
	var err error
	if a.prefills() {
		var text string
		text, err = openai.Partial(r.transcript)
		n := len(q.Messages)
		if err == nil && n > 0 && q.Messages[n-1].Role != hub.Assistant && !q.Has(hub.N) {
			quoted := rawjson.AppendQuote(nil, text)
			said := hub.Part{Text: quoted[1 : len(quoted)-1]}
			q.Messages = append(q.Messages[:n:n], hub.Message{Role: hub.Assistant, Parts: []hub.Part{said}})
			a.resume, err = openai.Continue(r.transcript)
			return err
		}
		a.mayPrefill = false
	}
	a.resume, err = openai.Verify(r.transcript)
	return err
}

// goingOn makes of the request what a rescuer gets.
func (a *attempt) goingOn(body []byte) ([]byte, error) {
	f, t := a.f, a.f.rescue.transcript
	var err error
	if a.prefills() {
		var out []byte
		if out, err = openai.Prefill(nil, body, t); err == nil {
			a.resume, err = openai.Continue(t)
			return out, err
		}
		f.d.log.Debug("no prefill", "target", a.target.Name(), "err", err)
		a.mayPrefill = false
	}
	a.resume, err = openai.Verify(t)
	return body, err
}

// prefills tells whether the target gets the beginning of the answer. Another
// model than the one that began it would go on in its own way.
func (a *attempt) prefills() bool {
	return a.mayPrefill && a.f.call.Rules.Rescue == config.RescueContinue &&
		a.target.Channel.Config.AcceptsPrefill && a.target.Model == a.f.rescue.model
}

// prefilled tells whether it got one.
func (a *attempt) prefilled() bool { return a.resume != nil && a.prefills() }

// What a chat request has where the provider does more than to answer: it may
// search, run code or spend money, and do so again.
const (
	toolList = iota
	webSearch
	searchParameters
	plugins
	serverToolCount
)

var serverToolKeys = rawjson.NewKeys("tools", "web_search_options", "search_parameters", "plugins")

// serverTools looks for them in a request of OpenAI's.
func serverTools(body []byte) bool {
	var at [serverToolCount]rawjson.Field
	if serverToolKeys.Scan(body, rawjson.DefaultDepth, at[:]) != nil {
		return true
	}
	for _, k := range []int{webSearch, searchParameters, plugins} {
		if raw := at[k].Value.Of(body); len(raw) > 0 && raw[0] != 'n' {
			return true
		}
	}
	c := rawjson.Cursor{Doc: at[toolList].Value.Of(body)}
	if !c.Array() {
		return false
	}
	for c.More() {
		kind := ""
		if !c.Object() {
			return true
		}
		for c.Key() {
			if string(c.Name) != "type" {
				c.Skip()
			} else if s, ok := c.Text(); ok {
				kind = s
			}
		}
		if kind != "function" && kind != "custom" {
			return true
		}
	}
	return false
}

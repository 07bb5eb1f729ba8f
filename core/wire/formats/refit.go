package formats

import (
	"bytes"
	"errors"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// errOneWay is an answer in a format that no provider speaks.
var errOneWay = errors.New("formats: answers in this format can't be read")

// Refit gives a complete good answer the form that a request wants, as
// [openai.Refit] does for OpenAI's: a stream becomes a whole answer, or the
// other way round.
func Refit(f *hub.Format, endpoint sdk.Endpoint, body []byte, events bool, want openai.Form) ([]byte, error) {
	switch {
	case f == openai.Format:
		return openai.Refit(endpoint, body, events, want)
	case events == want.Events:
		return body, nil
	}
	chat, err := ToHub(f, body, events)
	if err != nil {
		return nil, err
	}
	if chat, err = openai.Refit(sdk.Chat, chat, events, openai.Form{Events: want.Events, Usage: true}); err != nil {
		return nil, err
	}
	if !want.Events {
		r, err := openai.ReadAnswer(chat)
		if err != nil {
			return nil, err
		}
		return f.In.Response(nil, r)
	}
	w := f.In.Writer(&wire.Request{Stream: true, Usage: true})
	var out []byte
	err = each(&sse.Splitter{}, chat, func(e *sse.Event) error {
		var err error
		out, err = w.Event(out, e)
		return err
	})
	return out, err
}

// ToHub is an answer in the hub's format.
func ToHub(f *hub.Format, body []byte, events bool) ([]byte, error) {
	switch {
	case f == openai.Format:
		return body, nil
	case f.Out == nil:
		return nil, errOneWay
	case !events:
		r, err := f.Out.Response(body)
		if err != nil {
			return nil, err
		}
		return openai.AppendAnswer(nil, r)
	}
	cut := hub.Splitter(&sse.Splitter{})
	if f.Out.Split != nil {
		cut = f.Out.Split()
	}
	reader := f.Out.Reader(nil)
	var made hub.Events
	var out []byte
	err := each(cut, body, func(e *sse.Event) error {
		made.Reset()
		err := reader.Event(&made, e)
		for h := (sse.Event{}); made.Next(&h); {
			out = append(out, h.Raw...)
		}
		return err
	})
	if !bytes.HasSuffix(out, done) {
		out = append(out, done...) // some formats end without a terminator
	}
	return out, err
}

var done = []byte("data: [DONE]\n\n")

// each goes over the events of a stream until one is an error.
func each(cut hub.Splitter, stream []byte, do func(*sse.Event) error) error {
	var e sse.Event
	cut.Feed(stream)
	for cut.Next(&e) {
		if err := do(&e); err != nil {
			return err
		}
	}
	if cut.Err() == nil && cut.Flush(&e) {
		return do(&e)
	}
	return cut.Err()
}

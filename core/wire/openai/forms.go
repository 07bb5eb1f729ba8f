package openai

import (
	"bytes"
	"errors"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// errForm is an answer that has something in it which the other form does not.
var errForm = errors.New("openai: the answer can't be given in the other form")

// errUnfinished is an answer that some choice of has no end.
var errUnfinished = errors.New("openai: the answer is not finished")

var formFields = []rawjson.Edit{{Op: rawjson.Delete, Key: "stream"}, {Op: rawjson.Delete, Key: "stream_options"}}

// Content is a request's body without what only says how its answer is to be
// sent: equal contents have equal answers. It is nil for a body that is no JSON
// object.
func Content(body []byte) []byte {
	out, err := rawjson.Splice(make([]byte, 0, len(body)), body, formFields)
	if err != nil {
		return nil
	}
	return out
}

// Form is how an answer is sent.
type Form struct {
	Events bool // as a stream
	Usage  bool // with its usage in the stream
}

// Refit gives a complete good answer the form that a request wants, where is is
// the form that it has. Only answers of chat and completions have two. It is an
// error where the answer lacks what the wanted form has, such as its usage, or
// has what that one can't hold.
func Refit(endpoint sdk.Endpoint, body []byte, events bool, want Form) ([]byte, error) {
	switch {
	case !events && !want.Events:
		return body, nil
	case endpoint != sdk.Chat && endpoint != sdk.Completions:
		return nil, errForm
	case !events:
		return Events(endpoint, body, want.Usage)
	case !want.Events:
		return Whole(endpoint, body)
	}
	return refitUsage(endpoint, body, want.Usage)
}

// refitUsage is a stream with the chunk that include_usage asks for, or without.
func refitUsage(endpoint sdk.Endpoint, events []byte, want bool) ([]byte, error) {
	var seen wire.Class
	err := each(events, func(e *sse.Event) bool {
		seen |= Classify(endpoint, e)
		return true
	})
	switch {
	case err != nil, want && !seen.Is(wire.HasUsage):
		return nil, errors.Join(err, errForm)
	case want, !seen.Is(wire.UsageOnly):
		return events, nil
	}
	out := make([]byte, 0, len(events))
	err = each(events, func(e *sse.Event) bool {
		if !Classify(endpoint, e).Is(wire.UsageOnly) {
			out = append(out, e.Raw...)
		}
		return true
	})
	return out, err
}

// each goes over the events of a stream until f says no.
func each(events []byte, f func(*sse.Event) bool) error {
	var split sse.Splitter
	var e sse.Event
	split.Feed(events)
	for split.Next(&e) {
		if !f(&e) {
			return nil
		}
	}
	if split.Err() == nil && split.Flush(&e) {
		f(&e)
	}
	return split.Err()
}

// Sound tells whether an answer may be given to others than the one who asked:
// each of its choices, n at least, has come to an end of its own, and none was
// cut off by a limit or by a filter. Of endpoints without choices every answer
// that is no error is sound.
func Sound(endpoint sdk.Endpoint, body []byte, events bool, n int) bool {
	if !events {
		r, err := ReadResponse(endpoint, body)
		if err != nil || r.Error != nil {
			return false
		}
	}
	if endpoint != sdk.Chat && endpoint != sdk.Completions {
		return !events
	}
	finished := make(map[int64]bool, n)
	good := true
	note := func(index int64, finish []byte) {
		ended := len(finish) > 0
		finished[index] = finished[index] || ended
		good = good && (!ended || ownEnd(finish))
	}
	if events {
		var k chunk
		err := each(body, func(e *sse.Event) bool {
			if e.Data == nil || Classify(endpoint, e).Is(wire.Done) {
				return true
			}
			k.read(endpoint, e.Data)
			good = good && !k.failed && !k.many
			for i := range k.pieces {
				p := &k.pieces[i]
				note(p.index, rawjson.Inside(p.finish.Of(e.Data)))
			}
			return good
		})
		good = good && err == nil
	} else {
		c := rawjson.Cursor{Doc: rawjson.Child(body, "choices")}
		if c.Array() {
			for i := int64(0); c.More(); i++ {
				finish := rawjson.Child(c.Skip().Of(c.Doc), "finish_reason")
				note(i, bytes.Trim(finish, `"`))
			}
		}
	}
	for _, ended := range finished {
		good = good && ended
	}
	return good && len(finished) >= n
}

// ownEnd tells whether a finish reason says that the model had said all. Of an
// unknown one that is not sure.
func ownEnd(reason []byte) bool {
	switch string(reason) {
	case "stop", "tool_calls", "function_call", "eos": // Together AI says eos
		return true
	}
	return false
}

package upstream

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/formats"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// formatOf is the format that a target is spoken to in; nil: the adapter names
// none that is known.
func (d *Dispatcher) formatOf(ctx context.Context, c *board.Channel, model string, p *sdk.Prepared, e sdk.Endpoint) (*hub.Format, error) {
	if p.Codec != sdk.CodecOwn {
		return formats.Of(p.Codec, e), nil
	}
	t, err := d.preparer.Translator(c)
	if err != nil {
		return nil, err
	}
	return own(ctx, t, c.Info, model), nil
}

// own is the format of a target whose adapter translates: chat, but for the call
// to the plugin's process that each step costs. All calls end with ctx.
func own(ctx context.Context, t sdk.Translator, c sdk.Channel, model string) *hub.Format {
	chat := openai.Format
	answer := func(status int, body []byte) ([]byte, error) {
		return t.TranslateAnswer(ctx, c, model, sdk.UpstreamAnswer{Status: status, Body: body})
	}
	return &hub.Format{
		Name: sdk.CodecOwn, Title: "The adapter's own format",
		Classify: chat.Classify, Usage: chat.Usage,
		Whole: func(e sdk.Endpoint, body []byte) (wire.Response, error) {
			body, err := answer(http.StatusOK, body)
			if err != nil {
				return wire.Response{}, err
			}
			return chat.Whole(e, body)
		},
		Failure: func(status int, header http.Header, body []byte) wire.Failure {
			if said, err := answer(status, body); err == nil {
				body = said
			}
			return chat.Failure(status, header, body)
		},
		Out: &hub.Out{
			Rules: chat.Out.Rules,
			Request: func(dst []byte, q *hub.Request, w *hub.Warnings) ([]byte, error) {
				asked, err := chat.Out.Request(nil, q, w)
				if err != nil {
					return dst, err
				}
				body, err := t.TranslateRequest(ctx, c, model, asked)
				return append(dst, body...), err
			},
			Response: func(body []byte) (*hub.Response, error) {
				body, err := answer(http.StatusOK, body)
				if err != nil {
					return nil, err
				}
				return chat.Out.Response(body)
			},
			Reader: chat.Out.Reader,
			Split: func() hub.Splitter {
				return &pieces{ask: func(p sdk.StreamPiece) (sdk.Chunks, error) { return t.TranslateStream(ctx, c, model, p) }}
			},
		},
	}
}

var errNoChunk = errors.New("the adapter made no JSON of the stream")

// pieces makes events of what an adapter makes of a stream: one call for all that
// has come at once.
type pieces struct {
	ask   func(sdk.StreamPiece) (sdk.Chunks, error)
	fed   []byte // not asked about yet
	state []byte
	made  [][]byte // not given out yet
	ended bool
	err   error
}

// Feed is part of hub.Splitter.
func (s *pieces) Feed(piece []byte) { s.fed = append(s.fed, piece...) }

// Err is part of hub.Splitter.
func (s *pieces) Err() error { return s.err }

// Next is part of hub.Splitter.
func (s *pieces) Next(e *sse.Event) bool {
	if len(s.made) == 0 && len(s.fed) > 0 {
		s.translate(false)
	}
	return s.give(e)
}

// Flush is part of hub.Splitter: the adapter is told once that nothing more comes.
func (s *pieces) Flush(e *sse.Event) bool {
	if !s.ended {
		s.translate(true)
	}
	return s.give(e)
}

func (s *pieces) translate(end bool) {
	if s.err != nil || s.ended {
		return
	}
	out, err := s.ask(sdk.StreamPiece{Data: s.fed, State: s.state, End: end})
	s.fed, s.state, s.made, s.ended, s.err = s.fed[:0], out.State, out.Events, end, err
}

func (s *pieces) give(e *sse.Event) bool {
	if s.err != nil || len(s.made) == 0 {
		return false
	}
	event := bytes.TrimSpace(s.made[0])
	s.made = s.made[1:]
	if len(event) > sse.EventLimit {
		s.err = sse.ErrTooLong
		return false
	}
	*e = sse.Event{Data: event}
	if e.Data == nil || !rawjson.Valid(event) && !isDone(e) {
		s.err = errNoChunk
		return false
	}
	return true
}

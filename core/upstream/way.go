package upstream

import (
	"context"
	"crypto/rand"
	"fmt"
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

// way is the wire format of a target, beside the client's. Where both are the
// same, bytes pass as they are; else requests, answers and streams go through
// the hub.
type way struct {
	endpoint sdk.Endpoint // that the adapter was asked for
	to       *hub.Format
	// translated: the target does not speak what the client does.
	translated bool
	// warnings tell the client what the target is not asked for.
	warnings hub.Warnings
}

// format of the client.
func (c *Call) format() *hub.Format {
	if c.Format == nil {
		return formats.Of(openai.Name, c.Endpoint)
	}
	return c.Format
}

// prepare asks the target's adapter how it is spoken to: by the endpoint that
// the client called, else by one which does the same.
func (f *forward) prepare(ctx context.Context, t *board.Target) (*sdk.Prepared, way, error) {
	var w way
	var first error
	for n := 0; ; n++ {
		e, ok := formats.Way(f.call.Endpoint, n)
		if !ok {
			return nil, w, first
		}
		p, err := f.d.preparer.Prepare(ctx, t.Channel, t.Upstream, e, f.call.Request.Stream)
		if first == nil {
			first = err
		}
		if sdk.IsUnsupported(err) {
			continue
		}
		if err != nil {
			return nil, w, err
		}
		model := p.Model
		if model == "" {
			model = t.Upstream
		}
		w.endpoint = e
		if w.to, err = f.d.formatOf(ctx, t.Channel, model, p, e); err != nil {
			return nil, w, err
		}
		if w.to == nil {
			return nil, w, fmt.Errorf("the adapter wants the unknown codec %q", p.Codec)
		}
		w.translated = w.to != f.call.format()
		return p, w, nil
	}
}

// asked is the client's request as the hub has it, read once.
func (f *forward) asked() (*hub.Request, error) {
	if f.question == nil && f.unreadable == nil {
		f.question, f.unreadable = f.call.format().In.Request(f.call.Body, f.call.Request)
	}
	return f.question, f.unreadable
}

// translate makes the request for a target of another format.
func (a *attempt) translate(ctx context.Context, dst []byte, model string) ([]byte, error) {
	if a.to.Out == nil {
		return dst, fmt.Errorf("no provider is spoken to in the format %s", a.to.Name)
	}
	if a.beside() {
		return a.translateOther(dst, model)
	}
	asked, err := a.f.asked()
	if err != nil {
		return dst, err
	}
	q := *asked
	q.Model, q.Usage = model, true
	if err := a.begin(&q); err != nil {
		return dst, err
	}
	var refused *wire.Error
	if a.warnings, refused = a.to.Check(&q); refused != nil {
		return dst, refused
	}
	if parts := a.to.ToFetch(&q); len(parts) > 0 {
		if err := a.f.bring(ctx, parts); err != nil {
			return dst, err
		}
		if a.warnings, refused = a.to.Check(&q); refused != nil { // of what was found there
			return dst, refused
		}
	}
	return a.to.Outgoing(dst, &q, &a.warnings)
}

// beside tells whether the request is for something else than an answer.
func (a *attempt) beside() bool { return a.endpoint != sdk.Chat && a.endpoint != sdk.Responses }

// translateOther makes the request for something beside chat, by way of OpenAI's
// bytes.
func (a *attempt) translateOther(dst []byte, model string) (data []byte, err error) {
	a.inOpenAI = a.f.call.Body
	if in := a.f.call.format(); in != openai.Format {
		asked, ok := in.In.Other[a.endpoint]
		if !ok {
			return dst, sdk.Unsupported("has no " + string(a.endpoint))
		}
		if a.inOpenAI, err = asked.Request(nil, a.f.call.Body, model, a.to != openai.Format); err != nil {
			return dst, err
		}
	}
	if a.to == openai.Format {
		return append(dst, a.inOpenAI...), nil
	}
	other, ok := a.to.Out.Other[a.endpoint]
	if !ok {
		return dst, sdk.Unsupported("has no " + string(a.endpoint))
	}
	return other.Request(dst, a.inOpenAI, model)
}

// translateOtherWhole makes the answer to that.
func (a *attempt) translateOtherWhole(body []byte) (out []byte, err error) {
	if out = body; a.to != openai.Format {
		if out, err = a.to.Out.Other[a.endpoint].Response(nil, body, a.inOpenAI); err != nil {
			return nil, err
		}
	}
	if r, err := openai.ReadResponse(a.f.call.Endpoint, out); err == nil {
		a.f.out.Usage = r.Usage
	}
	if in := a.f.call.format(); in != openai.Format {
		return in.In.Other[a.endpoint].Response(nil, out)
	}
	return out, nil
}

// warnDeleted warns of what the adapter takes out of the body.
func (a *attempt) warnDeleted(body []byte) {
	for i := range a.prepared.Edits {
		e := &a.prepared.Edits[i]
		if e.Op != sdk.EditDelete || e.Field == "model" { // which the URL names then
			continue
		}
		c := rawjson.Cursor{Doc: body}
		for ok := c.Object(); ok && c.Key(); c.Skip() {
			if string(c.Name) == e.Field {
				a.warnings = append(a.warnings, e.Field+": left out, this channel does not take it")
			}
		}
	}
}

// classify says what an event means: of the hub where it was translated, else
// of the format that both sides speak.
func (a *attempt) classify(e *sse.Event, translated bool) wire.Class {
	if translated {
		return openai.Classify(sdk.Chat, e)
	}
	return a.to.Classify(a.f.call.Endpoint, e)
}

// maxTranslated is the longest whole answer that is translated, in bytes: it
// has to be there to its end. It may hold images.
const maxTranslated = 32 << 20

// translateWhole hands a whole answer on in the client's format.
func (a *attempt) translateWhole(body []byte) verdict {
	f := a.f
	var out []byte
	if a.beside() {
		var err error
		if out, err = a.translateOtherWhole(body); err != nil {
			return a.fail(unexpected("%v", err), 0)
		}
	} else {
		r, err := a.to.Out.Response(body)
		if err != nil {
			return a.fail(unexpected("%v", err), 0)
		}
		if r.Error != nil {
			return a.failed(a.judgeError(body, r.Error), body)
		}
		if q := f.question; q != nil && a.to.EmulatesCustom(q) {
			r.Customize(q.Customs())
		}
		if r.Created == 0 {
			r.Created = f.watch.begun.Unix()
		}
		id, model := a.names()
		if len(r.ID) == 0 {
			r.ID = id
		}
		if len(r.Model) == 0 {
			r.Model = model
		}
		if out, err = f.call.format().In.Response(make([]byte, 0, len(body)+512), r); err != nil {
			return a.fail(unexpected("%v", err), 0)
		}
		f.out.Usage = r.Usage
	}
	a.first()
	a.commit(int64(len(out)), asWhole)
	if !f.client.write(out, false) {
		return a.leave(0)
	}
	if int64(len(out)) <= f.call.Capture {
		a.capture(out, asWhole)
	}
	return a.succeed(0)
}

// names of an answer and its model, where the provider tells none.
func (a *attempt) names() (id, model hub.Text) {
	name := a.prepared.Model
	if name == "" {
		name = a.target.Upstream
	}
	quoted := rawjson.AppendQuote(nil, name)
	return hub.Text("chatcmpl-" + rand.Text()), quoted[1 : len(quoted)-1]
}

// judgeAnswer and judgeError read what a target says in its own words.
func (a *attempt) judgeAnswer(status int, body []byte) *failure {
	return judgeAnswer(a.to.Failure, status, a.answer.Header, body)
}

func (a *attempt) judgeError(body []byte, e *wire.Error) *failure {
	return judgeError(a.to.Failure, a.answer.Header, body, e)
}

// failureReader reads an error answer.
type failureReader func(status int, header http.Header, body []byte) wire.Failure

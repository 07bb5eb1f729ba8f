package upstream

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// kind is how an answer is handed on.
type kind uint8

const (
	asWhole   kind = iota // JSON: read fully, checked, then sent
	asEvents              // a stream of events
	asText                // a transcript in plain text: read fully, then sent
	asThrough             // sound: sent as it comes
)

// take hands a good answer on.
func (a *attempt) take() verdict {
	if e := a.answer.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return a.fail(unexpected("the answer is encoded with %s, which was not asked for", shorten(e, 20)), 0)
	}
	contentType := mediaType(a.answer.Header.Get("Content-Type"))
	k, ok := kindOf(contentType, a.f.call.Endpoint, a.f.call.Request.Stream)
	if a.translated && a.f.call.Request.Stream && a.to.Out.Split != nil {
		k, ok = asEvents, contentType != "application/json" // in a framing of its own
	}
	if !ok {
		return a.wrongKind(contentType)
	}
	if k != asEvents && a.f.client.held() {
		return a.fail(unexpected("the answer is %s, but events were begun", shorten(contentType, 40)), 0)
	}
	switch k {
	case asEvents:
		return a.stream()
	case asThrough:
		return a.through(nil, k)
	default:
		return a.whole(k)
	}
}

// mediaType is a content type without its parameters; empty where it is none,
// and what it stands for is judged by what it holds.
func mediaType(contentType string) string {
	switch contentType {
	case "application/json", "text/event-stream": // nearly all are
		return contentType
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return t
}

// kindOf is how an answer of a type to an endpoint is handed on. It is not ok
// where that type is no answer.
func kindOf(contentType string, e sdk.Endpoint, stream bool) (k kind, ok bool) {
	json := strings.HasSuffix(contentType, "json")
	switch {
	case contentType == "text/html":
		return 0, false
	case stream && contentType == "text/event-stream":
		return asEvents, true
	case e == sdk.Speech:
		return asThrough, !json && contentType != "text/event-stream"
	case stream:
		// Some servers forget to name the type of their events.
		return asEvents, !json
	case contentType == "text/event-stream":
		return 0, false
	case (e == sdk.Transcription || e == sdk.Translation) && !json:
		return asText, true
	default:
		return asWhole, true
	}
}

// wrongKind deals with a good status over something that is no answer: often an
// error after all.
func (a *attempt) wrongKind(contentType string) verdict {
	f := a.f
	f.watch.limit(errorBodyWait, errDrain, &a.scope)
	body, _ := readUpTo(a.answer.Body, f.call.Rules.ErrorBody) // what came is enough
	if strings.HasSuffix(contentType, "json") {
		if r, err := a.to.Whole(f.call.Endpoint, body); err == nil && r.Error != nil {
			return a.failed(a.judgeError(body, r.Error), body)
		}
	}
	return a.fail(unexpected("the answer is %s, which was not asked for", shorten(contentType, 40)), 0)
}

// failed deals with an error that came in the place of an answer.
func (a *attempt) failed(why *failure, body []byte) verdict {
	if why.ours {
		return a.passOn(why, body, true)
	}
	return a.fail(why, 0)
}

// whole reads an answer to its end before its head goes out, so that one that
// is cut off or is no answer leaves the client unharmed.
func (a *attempt) whole(k kind) verdict {
	f := a.f
	buf := takeBuffer()
	defer giveBuffer(buf)
	limit := f.call.Rules.WholeAnswer
	if a.translated {
		limit = maxTranslated
	}
	body, more, err := fill((*buf)[:0], a.answer.Body, limit, a.answer.ContentLength)
	*buf = body
	switch {
	case err != nil:
		return a.fail(a.judgeBody(err), 0)
	case len(body) == 0:
		return a.fail(unexpected("the answer is empty"), 0)
	case more && a.translated:
		return a.fail(unexpected("the answer is longer than %d bytes, too long to be translated", limit), 0)
	case more:
		if k == asWhole {
			a.id = openai.ReadID(body)
		}
		return a.through(body, k)
	}
	if a.translated {
		return a.translateWhole(body)
	}
	if k == asWhole {
		r, err := a.to.Whole(f.call.Endpoint, body)
		if err != nil {
			return a.fail(unexpected("%v", err), 0)
		}
		if r.Error != nil {
			return a.failed(a.judgeError(body, r.Error), body)
		}
		f.out.Usage, a.id = r.Usage, r.ID
	}
	a.first()
	a.commit(int64(len(body)), k)
	if !f.client.write(body, false) {
		return a.leave(0)
	}
	if int64(len(body)) <= f.call.Capture {
		a.capture(append([]byte(nil), body...), k)
	}
	// The time to a whole answer's end is no time to a first token.
	return a.succeed(0)
}

func (a *attempt) capture(body []byte, k kind) {
	a.f.out.Body, a.f.out.ContentType = body, a.contentType(k)
}

// contentType is that of the answer as the client gets it; empty where nothing
// is said of it.
func (a *attempt) contentType(k kind) string {
	switch {
	case !a.translated:
		return a.answer.Header.Get("Content-Type")
	case k != asEvents:
		return "application/json"
	}
	if t := a.f.call.format().In.StreamType; t != "" {
		return t
	}
	return "text/event-stream; charset=utf-8"
}

func (a *attempt) commit(length int64, k kind) {
	if keeper := a.f.call.Keeper; keeper != nil && a.id != "" {
		keeper.Keep(a.id, a.target)
	}
	contentType := a.contentType(k)
	switch {
	case k == asWhole && contentType == "":
		contentType = "application/json"
	case k == asEvents && !a.translated && !strings.HasPrefix(contentType, "text/event-stream"):
		contentType = ""
	}
	a.f.client.commit(&head{
		status: a.answer.StatusCode, contentType: contentType, length: length,
		from: a.answer.Header, target: a.target, attempts: len(a.f.out.Attempts), events: k == asEvents,
		warnings: a.warnings,
	})
}

// judgeBody says what a body means that could not be read to its end.
func (a *attempt) judgeBody(err error) *failure {
	f := judgeNetwork(&a.scope, err, true)
	if f.class == board.Connect {
		f.class = board.Upstream // it was reached, but what it said is cut off
	}
	return f
}

// brokeOff is what went wrong with an answer that the client has the beginning of.
var brokeOff = openai.Fault(http.StatusBadGateway, "The upstream broke off in the middle of its answer.")

// fill reads until the end or until there are more than limit bytes.
func fill(b []byte, r io.Reader, limit, length int64) (out []byte, more bool, err error) {
	if length > 0 && length <= limit && int64(cap(b)) < length+1 {
		b = make([]byte, 0, length+1) // one more, so that the end shows itself
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, int64(len(b)) > limit, nil
		case err != nil:
			return b, false, err
		case int64(len(b)) > limit:
			return b, true, nil
		}
	}
}

// through hands an answer on as it comes, after what was read of it before. It
// is silent for at most the idle time-out. If it breaks off, only the end of
// the client's connection can say so.
func (a *attempt) through(begin []byte, k kind) verdict {
	f, sound, capture := a.f, k == asThrough, a.f.call.Capture
	buf := takeBuffer()
	defer giveBuffer(buf)
	piece := (*buf)[:cap(*buf)]
	var kept []byte
	sent := false
	for {
		var err error
		got := begin
		if begin == nil {
			var n int
			n, err = a.answer.Body.Read(piece)
			got = piece[:n]
		}
		begin = nil
		if len(got) > 0 {
			if !sent {
				sent = true
				a.first()
				a.commit(a.answer.ContentLength, k)
				f.watch.limit(a.target.Channel.Config.Timeouts.Idle, errIdle, &a.scope)
			}
			f.watch.touch()
			if !f.client.write(got, sound) {
				return a.leave(0)
			}
			if int64(len(kept)+len(got)) <= capture {
				kept = append(kept, got...)
			} else {
				kept, capture = nil, 0
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			v := a.fail(a.judgeBody(err), 0)
			if sent && v != final {
				f.out.Err = brokeOff
				f.client.fault(brokeOff, 0)
			}
			if sent {
				return final
			}
			return v
		case !sent:
			return a.fail(unexpected("the answer is empty"), 0)
		default:
			if kept != nil {
				a.capture(kept, k)
			}
			if !sound {
				return a.succeed(0)
			}
			return a.succeed(a.record.TTFT)
		}
	}
}

package hub

import (
	"net/http"
	"net/url"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Format is a wire format: all that the core has to know of it. A format's
// package makes one; its functions keep no state and are called by many
// goroutines.
type Format struct {
	// Name is the codec's, as adapters say it; Title is for people.
	Name, Title string
	// In is nil where no client speaks the format, Out where no provider does.
	In  *In
	Out *Out

	// Classify says what an event of a stream in the format means.
	Classify func(e sdk.Endpoint, event *sse.Event) wire.Class
	// Usage notes the usage that an event has in it, which may add to what
	// earlier ones had. It is asked where Classify says so.
	Usage func(event *sse.Event, u *wire.Usage)
	// Whole reads what the core wants to know of a whole answer. What is no
	// answer is an error; an error in place of one is [wire.Response.Error].
	Whole func(e sdk.Endpoint, body []byte) (wire.Response, error)
	// Failure reads a provider's error answer.
	Failure func(status int, header http.Header, body []byte) wire.Failure
}

// Ask is a client's request as it came.
type Ask struct {
	Endpoint sdk.Endpoint
	Path     string
	Query    url.Values
	Header   http.Header
	Body     []byte
}

// In is a format's half that faces clients.
type In struct {
	// Facts reads what routing needs; nothing is decoded that is not asked
	// for. The error is for the client.
	Facts func(a *Ask) (wire.Request, error)
	// Request reads the whole of a request, of which r has the facts.
	Request func(body []byte, r *wire.Request) (*Request, error)
	// Response appends a whole answer.
	Response func(dst []byte, r *Response) ([]byte, error)
	// Writer makes one of a stream's events.
	Writer func(r *wire.Request) Writer
	// Error appends the body of an error answer.
	Error func(dst []byte, e *wire.Error) []byte
	// ErrorEvent appends the event that ends a stream which nothing was
	// translated of; sequence is how many events the client had.
	ErrorEvent func(dst []byte, e *wire.Error, sequence int64) []byte
	// Tokens appends the answer to a question for how long a prompt is; nil:
	// the format has no such endpoint.
	Tokens func(dst []byte, n int64) []byte
	// Other are endpoints beside chat, translated to and from OpenAI's bytes;
	// where there is none, they reach providers of the same format alone.
	Other map[sdk.Endpoint]Asked
	// SentOn are the headers that go to a provider of the same format, beside
	// those that always do.
	SentOn []string
	// Head mends the headers of a request that goes to a provider of the same
	// format; nil: there is nothing to mend. The credential is in them.
	Head func(h, client http.Header)
	// Rename appends a body that goes to a provider of the same format with
	// another model in it; nil: that is the top-level field model, or none.
	Rename func(dst, body []byte, model string) []byte
	// Alive is what keeps a silent stream from being closed on its way, once it
	// has begun; empty: a comment.
	Alive []byte
	// StreamType is the content type of a stream; empty: server-sent events.
	// Another framing needs an Alive, which it gets before it has begun too.
	StreamType string
}

// Out is a format's half that faces providers.
type Out struct {
	// Rules say what becomes of each field. [Format.Check] carries out what is
	// dropped and refused; the rest is for Request to do.
	Rules Rules
	// Reads tells of URLs that the target reads itself although its rules say
	// [Fetched], such as s3://bucket/key; nil: there are none.
	Reads func(url Text) bool
	// Request appends a request, which passed the rules. It may warn of more
	// that is left out: what goes in general, but not beside something else.
	Request func(dst []byte, q *Request, w *Warnings) ([]byte, error)
	// Response reads a whole answer.
	Response func(body []byte) (*Response, error)
	// Reader makes one of a stream's events.
	Reader func(q *Request) Reader
	// Split cuts a stream; nil: into server-sent events.
	Split func() Splitter
	// Other are endpoints beside chat, translated from and to OpenAI's bytes.
	Other map[sdk.Endpoint]Other
}

// Asked is an endpoint beside chat as clients of a format call it.
type Asked struct {
	// Request appends OpenAI's request for the client's. Where it is extended, it
	// may have in it what OpenAI does not know.
	Request func(dst, body []byte, model string, extended bool) ([]byte, error)
	// Response appends the client's answer for OpenAI's.
	Response func(dst, body []byte) ([]byte, error)
}

// Other is an endpoint beside chat: embeddings, say.
type Other struct {
	// Request appends the provider's request for OpenAI's.
	Request func(dst, body []byte, model string) ([]byte, error)
	// Response appends OpenAI's answer for the provider's; asked is OpenAI's request.
	Response func(dst, body, asked []byte) ([]byte, error)
}

// Reader translates the events of one provider's stream into the hub's. It is
// one goroutine's.
type Reader interface {
	// Event adds to out what the event means in the hub; often nothing. An
	// error means that the stream is none of the format.
	Event(out *Events, e *sse.Event) error
}

// Writer translates the events of the hub into one client's stream. It is one
// goroutine's.
type Writer interface {
	// Event appends what the client gets for an event of the hub.
	Event(dst []byte, e *sse.Event) ([]byte, error)
	// Fail appends what ends a stream that went wrong.
	Fail(dst []byte, e *wire.Error) []byte
}

// Splitter takes a stream in pieces cut anywhere and gives out events, as
// [sse.Splitter] does. An event has a limit of [sse.EventLimit].
type Splitter interface {
	Feed(piece []byte)
	Next(e *sse.Event) bool
	Flush(e *sse.Event) bool
	Err() error
}

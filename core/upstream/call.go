package upstream

import (
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Call is a client's request to be forwarded.
type Call struct {
	Endpoint sdk.Endpoint
	// Format is what the client speaks; nil: OpenAI's.
	Format *hub.Format
	// Header is the client's. Only a few fields of it are sent on.
	Header http.Header
	// Body is not changed, and not looked at once Forward has returned.
	Body        []byte
	ContentType string
	// Request was read from Body.
	Request *wire.Request
	Rules   config.Call
	// Capture keeps a copy of a complete good answer of at most so many bytes; 0: none.
	Capture int64
	// Keeper is told of the answer's id; nil: nobody asks for the answer again.
	Keeper Keeper
	// Tracer follows the tries; nil: nobody does.
	Tracer Tracer
	// Committer is told when the answer begins; nil: nobody wants to know.
	Committer Committer
	// KeepAlive is how often a silent stream gets a comment; 0: never.
	KeepAlive time.Duration
	// WriteTimeout bounds each write to the client; 0: not at all.
	WriteTimeout time.Duration
}

// Committer waits for an answer to begin: what plugins decide is decided then,
// and what follows is data.
type Committer interface{ Committed() }

// Keeper remembers who made an answer that its client may ask for later, by id.
type Keeper interface {
	// Keep is called before the client has the id, and must not block.
	Keep(id string, t *board.Target)
}

// Tracer follows one call. Its methods are called by the call's goroutine.
type Tracer interface {
	// Begin of a try. It may add to the headers that the target is to get. A try
	// that turns out to be none, as there is no connection for it, has no End.
	Begin(t *board.Target, header http.Header, at time.Time)
	// End of the try that began last.
	End(a *Attempt)
}

// Outcome is how a call ended.
type Outcome struct {
	// Target is the last one tried, which answered where Committed is set; nil: none.
	Target   *board.Target
	Attempts []Attempt
	// Status as the client got it; 0: nothing was sent.
	Status int
	// Committed: a head was sent. Nothing else may be written.
	Committed bool
	// Rescued: the stream broke off, and another target went on with it.
	Rescued bool
	// Complete: the answer, or the upstream's refusal, was sent to its end.
	Complete bool
	// TTFT is from the call to the first content; 0: there was none.
	TTFT  time.Duration
	Total time.Duration
	// Begun is when the call began.
	Begun time.Time
	// Usage is that of the answer and, where a stream was rescued, of the
	// streams that broke off: what these did not tell is estimated.
	Usage wire.Usage
	// Body is the answer where it was complete and is to be captured, of ContentType.
	Body        []byte
	ContentType string
	// Err is what went wrong, in words for the client, which has not seen them
	// unless Committed is set. It is nil where the client left. Our own tries
	// are spent: the answer says x-should-retry: false.
	Err *wire.Error
	// RetryAfter is the shortest wait that a target asked for; 0: none did.
	RetryAfter time.Duration
}

// Attempt is one try at a target.
type Attempt struct {
	Target *board.Target
	// Class is None where the target answered, where the client left, and
	// where the request itself was wrong.
	Class board.Class
	// Status of the answer; 0: there was none.
	Status int
	// Reason of a failure, for operators; never a secret.
	Reason string
	// Connect is from the start until a connection was there, TTFT until the
	// first content, Total until the end.
	Connect, TTFT, Total time.Duration
	// Begun is when it began.
	Begun  time.Time
	Reused bool // the connection had served before
	// Rescue: it was to go on with a stream that had broken off.
	Rescue bool
}

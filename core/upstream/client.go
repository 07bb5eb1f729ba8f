package upstream

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// errClientGone is a client that does not take what is written.
var errClientGone = errors.New("the client does not take its answer")

// comment keeps proxies between us and the client from closing a silent stream.
var comment = []byte(": keepalive\n\n")

// client is the side of the one who asked. The watch writes comments to it
// while the request's own goroutine waits for the upstream, hence the lock.
type client struct {
	w http.ResponseWriter
	controls
	call  *Call
	watch *watch
	// due is when the next comment, or the head of a stream that was held long
	// enough, is to be written: nanoseconds since the watch began; 0: never.
	due atomic.Int64

	mu     sync.Mutex
	status int        // that was sent; 0: none yet
	events bool       // the head of an event stream is out
	begun  bool       // and its content
	writer hub.Writer // of the events; nil: they are the upstream's own
	gone   bool
}

// controls are what a writer can do beside writing. They are asked for once, and
// not with every write.
type controls struct {
	flusher  interface{ FlushError() error }
	deadline interface{ SetWriteDeadline(time.Time) error }
}

func controlsOf(w http.ResponseWriter) (c controls) {
	var direct bool
	c.flusher, direct = w.(interface{ FlushError() error })
	if direct {
		c.deadline, direct = w.(interface{ SetWriteDeadline(time.Time) error })
	}
	if !direct { // it stands around another one, or can less
		rc := http.NewResponseController(w)
		c.flusher, c.deadline = flushing{rc}, rc
	}
	return c
}

// flushing is a controller that flushes by the name that writers have for it.
type flushing struct{ rc *http.ResponseController }

func (f flushing) FlushError() error { return f.rc.Flush() }

// hold begins the time that a stream's head may wait for its content.
func (k *client) hold() {
	if k.call.Request.Stream && k.call.Rules.HoldHeaders > 0 {
		k.due.Store(int64(k.call.Rules.HoldHeaders))
		k.watch.wake()
	}
}

// beat sends the head of a stream that was held long enough, and a comment. It
// is false once the client has gone.
func (k *client) beat(now int64) bool {
	if !k.mu.TryLock() {
		k.postpone(now) // something is being written: that is sign of life enough
		return true
	}
	defer k.mu.Unlock()
	if k.gone {
		k.due.Store(0)
		return false
	}
	if k.status == 0 {
		h := k.w.Header()
		eventHead(h)
		if t := k.call.format().In.StreamType; t != "" {
			h["Content-Type"] = []string{t}
		}
		k.sendHead(http.StatusOK)
		k.events = true
	}
	alive := comment
	if in := k.call.format().In; in.Alive != nil && (k.begun || in.StreamType != "") {
		alive = in.Alive
	}
	k.put(alive, true)
	if k.gone {
		k.due.Store(0)
	}
	return !k.gone
}

func eventHead(h http.Header) {
	h["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
	h["Cache-Control"] = []string{"no-cache"}
	h["X-Accel-Buffering"] = []string{"no"} // nginx would collect the events
}

// postpone sets when the next comment is due.
func (k *client) postpone(now int64) {
	if d := int64(k.call.KeepAlive); d > 0 {
		k.due.Store(now + d)
	} else {
		k.due.Store(0)
	}
}

// head is what goes before an answer's body.
type head struct {
	status      int
	contentType string
	length      int64 // of the body; -1: not known
	from        http.Header
	target      *board.Target
	attempts    int
	events      bool
	warnings    []string
}

// commit sends the head, unless one had to be sent before.
func (k *client) commit(c *head) {
	if k.call.Committer != nil {
		k.call.Committer.Committed()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events, k.begun = c.events, c.events
	if !c.events {
		k.due.Store(0)
	}
	if k.status != 0 {
		return
	}
	h := k.w.Header()
	forClient(h, c.from, c.status)
	if c.events {
		eventHead(h)
	}
	if c.contentType != "" {
		h["Content-Type"] = []string{c.contentType}
	}
	told := [...]string{c.target.Channel.Config.Name, c.target.Model, strconv.Itoa(c.attempts), ""}
	h["X-Smartrouter-Channel"], h["X-Smartrouter-Model"], h["X-Smartrouter-Attempts"] = told[0:1:1], told[1:2:2], told[2:3:3]
	if c.length >= 0 {
		told[3] = strconv.FormatInt(c.length, 10)
		h["Content-Length"] = told[3:]
	}
	for _, w := range c.warnings {
		h["Warning"] = append(h["Warning"], warning(w))
	}
	k.sendHead(c.status)
}

// sendHead is called with the lock held.
func (k *client) sendHead(status int) {
	k.status = status
	k.extend()
	k.w.WriteHeader(status)
}

// held reports whether the head of a stream went out before its content.
func (k *client) held() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status != 0
}

// write sends p, at once where flush is set. It is false once the client has
// gone.
func (k *client) write(p []byte, flush bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(p, flush)
	return !k.gone
}

// put is called with the lock held.
func (k *client) put(p []byte, flush bool) {
	if k.gone {
		return
	}
	k.extend()
	if _, err := k.w.Write(p); err != nil {
		k.gone = true
		return
	}
	if flush {
		if err := k.flusher.FlushError(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			k.gone = true
			return
		}
	}
	if k.events {
		k.postpone(k.watch.now())
	}
}

// extend gives the next write its time. A writer that knows no deadlines, as
// in a test, does without.
func (k *client) extend() {
	if d := k.call.WriteTimeout; d > 0 {
		_ = k.deadline.SetWriteDeadline(time.Now().Add(d))
	}
}

// fault ends an answer that broke off: a stream with an error event. Of any
// other kind only the end of the client's connection can tell, which is what
// net/http makes of an answer whose rest can't be written.
func (k *client) fault(e *wire.Error, sequence int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.events {
		_ = k.deadline.SetWriteDeadline(time.Unix(1, 0)) // a writer without deadlines has no connection to end
		k.gone = true
		return
	}
	if k.writer != nil {
		k.put(k.writer.Fail(nil, e), true)
		return
	}
	k.put(k.call.ErrorEvent(e, int64(sequence)), true)
}

// ErrorEvent is what ends a stream in the client's format, but for one whose
// events a writer made. sequence is how many events there were.
func (c *Call) ErrorEvent(e *wire.Error, sequence int64) []byte {
	if f := c.format(); f != openai.Format {
		return f.In.ErrorEvent(nil, e, sequence)
	}
	return openai.AppendErrorEvent(nil, c.Endpoint, e, sequence)
}

// warning is a value of the header of that name (RFC 7234, section 5.5): 299 is
// one that holds for every answer alike.
func warning(text string) string {
	return "299 " + agent + " " + strconv.QuoteToASCII(shorten(text, maxWarning))
}

// maxWarning is the longest text of a warning, in bytes.
const maxWarning = 200

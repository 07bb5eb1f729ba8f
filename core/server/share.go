package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// flights are the upstream calls that equal requests share. The call runs under
// a context of its own, which ends when the last of its clients has left, and
// writes into a buffer that every client reads at its own pace.
type flights struct {
	mu sync.Mutex
	of map[pipeline.ShareKey]*flight
}

// flight is one upstream call. It is the http.ResponseWriter that the answer is
// written to.
//
// The buffer holds the answer from its beginning, so that who comes later gets
// all of it. Once it is full nobody else may join, and what everybody has read
// makes room. Where that is not enough the call waits for the slowest client,
// as it would if that were alone; but where another one has read all there is,
// and waits longer than maxLag in all, the slowest are cut off.
type flight struct {
	all    *flights
	key    pipeline.ShareKey
	limit  int
	cancel context.CancelCauseFunc

	header http.Header // the dispatcher's

	mu       sync.Mutex
	status   int
	sent     http.Header // with the status
	buf      []byte      // of the body, from the byte number from on; never written over
	from     int64
	closed   bool // nobody else may join
	flush    bool // the dispatcher wants what it writes to go out at once
	broken   bool // the answer broke off, and only the end of a connection can say so
	done     bool
	out      upstream.Outcome
	given    bool // out was, with all that is to be counted once
	clients  map[*client]struct{}
	deadline time.Time
	lag      time.Duration // how long some have waited for the slowest
	room     chan struct{} // tells the dispatcher that there is some, or nobody
}

// client is a request that takes part.
type client struct {
	wake    chan struct{}
	at      int64 // how much of the body it has
	waiting bool  // it has all there is
	cut     bool  // it was too slow
}

// errNobody ends a call that nobody waits for.
var errNobody = errors.New("every client has left")

// tell wakes who waits on c, now or later.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// share has the request take part in an upstream call, which call begins where
// there is none. That one needs the state; who only waits for it does not.
func (s *Server) share(ctx context.Context, w http.ResponseWriter, st *stay, share *pipeline.Share, of *upstream.Call,
	call func(context.Context, http.ResponseWriter) upstream.Outcome,
) (out upstream.Outcome, tries int, follows bool) {
	f, c, own := s.flights.join(ctx, share)
	defer f.leave(c)
	if own != nil {
		st.lent = true
		go func() {
			defer st.end()
			if failed := f.run(own, call); failed != "" {
				s.log.Error("a shared call panicked", "stack", failed)
			}
		}()
	} else {
		st.end()
		s.metrics.deduplicated.Inc()
		w.Header()["X-Cache"] = []string{pipeline.Shared}
	}
	out, tries = f.serve(ctx, w, c, of)
	return out, tries, own == nil
}

// join takes part in the flight of a key. Where there is none, the caller is
// to begin it, under the context that it gets for that.
func (s *flights) join(ctx context.Context, share *pipeline.Share) (f *flight, c *client, own context.Context) {
	c = &client{wake: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.of[share.Key]; f != nil && f.take(c) {
		return f, c, nil
	}
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f = &flight{
		all: s, key: share.Key, limit: int(share.Buffer), cancel: cancel, header: make(http.Header),
		clients: map[*client]struct{}{c: {}}, room: make(chan struct{}, 1),
	}
	if s.of == nil {
		s.of = make(map[pipeline.ShareKey]*flight)
	}
	s.of[share.Key] = f
	return f, c, own
}

func (f *flight) take(c *client) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.clients[c] = struct{}{}
	return true
}

// leave ends a client's part. The last one takes the call with it.
func (f *flight) leave(c *client) {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
	tell(f.room)
	if len(f.clients) == 0 {
		f.closed = true
		f.forget()
		f.cancel(context.Canceled)
	}
}

// forget is called with the lock of all held.
func (f *flight) forget() {
	if f.all.of[f.key] == f {
		delete(f.all.of, f.key)
	}
}

// run makes the call, in a goroutine of its own.
func (f *flight) run(ctx context.Context, call func(context.Context, http.ResponseWriter) upstream.Outcome) (failed string) {
	var out upstream.Outcome
	defer func() {
		if p := recover(); p != nil {
			failed = string(debug.Stack())
			out.Err = openai.Fault(http.StatusInternalServerError, "The router failed.")
		}
		f.all.mu.Lock()
		defer f.all.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget()
		f.closed, f.done, f.out = true, true, out
		f.broken = f.broken || failed != "" && f.status != 0
		f.wakeAll()
	}()
	out = call(ctx, f)
	return ""
}

func (f *flight) wakeAll() {
	for c := range f.clients {
		tell(c.wake)
	}
}

// Header is part of http.ResponseWriter.
func (f *flight) Header() http.Header { return f.header }

// WriteHeader is part of http.ResponseWriter.
func (f *flight) WriteHeader(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin(status)
}

// begin is called with the lock held.
func (f *flight) begin(status int) {
	if f.status == 0 {
		f.status = status
		f.sent = maps.Clone(f.header)
		f.wakeAll()
	}
}

// FlushError makes clients flush.
func (f *flight) FlushError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flush = true
	return nil
}

// SetWriteDeadline bounds the next write. One in the past is how the dispatcher
// ends the connection of an answer that broke off.
func (f *flight) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = t
	if !t.IsZero() && t.Before(time.Now()) {
		f.broken = true
		f.wakeAll()
	}
	return nil
}

// Write is part of http.ResponseWriter. It waits where the buffer is full.
func (f *flight) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin(http.StatusOK)
	written := 0
	for len(p) > 0 {
		if len(f.clients) == 0 {
			return written, errNobody
		}
		if n := min(f.limit-len(f.buf), len(p)); n > 0 {
			f.buf = append(f.buf, p[:n]...)
			p, written = p[n:], written+n
			f.wakeAll()
			continue
		}
		f.closed = true
		if err := f.makeRoom(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// maxLag is how long clients that have read everything wait for slower ones, in
// all.
const maxLag = 2 * time.Second

// makeRoom drops from a full buffer what everybody has read. Where that is
// nothing, it waits.
func (f *flight) makeRoom() error {
	end := f.from + int64(len(f.buf))
	slowest, waited := end, false
	for c := range f.clients {
		slowest = min(slowest, c.at)
		waited = waited || c.waiting && c.at == end
	}
	switch {
	case slowest > f.from:
		// Clients may still be writing what they were given: it stays as it is.
		f.buf, f.from = f.buf[slowest-f.from:], slowest
		return nil
	case !waited:
		return f.wait(f.deadline)
	case f.lag < maxLag:
		begun := time.Now()
		err := f.wait(begun.Add(maxLag - f.lag))
		f.lag += time.Since(begun)
		if err == nil {
			return nil // or the next turn cuts
		}
	}
	for c := range f.clients {
		if c.at == slowest {
			c.cut = true
			delete(f.clients, c)
			tell(c.wake)
		}
	}
	f.lag = 0
	return nil
}

// wait gives up the lock until there may be room.
func (f *flight) wait(until time.Time) error {
	var late <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		late = t.C
	}
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-f.room:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

// pieceSize bounds one write to a client, in bytes.
const pieceSize = 32 << 10

// next is what comes next for a client, and waits for it. At the end there is
// nothing more.
func (f *flight) next(ctx context.Context, c *client) (piece []byte, flush, end bool) {
	for {
		f.mu.Lock()
		if !c.cut {
			piece = f.buf[c.at-f.from:]
			piece = piece[:min(len(piece), pieceSize)]
		}
		c.at += int64(len(piece))
		flush, end = f.flush, c.cut || len(piece) == 0 && (f.done || f.broken)
		c.waiting = len(piece) == 0 && !end
		full := len(f.buf) >= f.limit
		f.mu.Unlock()
		if full {
			tell(f.room)
		}
		if len(piece) > 0 || end {
			return piece, flush, end
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, false, true
		}
	}
}

// serve writes the answer to a client as it comes. The outcome is that of the
// call for one of those who stay to its end; for the others it is what they
// got, and nothing that would be counted twice.
func (f *flight) serve(ctx context.Context, w http.ResponseWriter, c *client, of *upstream.Call) (out upstream.Outcome, tries int) {
	rc := http.NewResponseController(w)
	extend := func() {
		if of.WriteTimeout > 0 {
			_ = rc.SetWriteDeadline(time.Now().Add(of.WriteTimeout)) // a writer without deadlines does without
		}
	}
	left, head := false, 0
	for end := false; !left && !end; {
		var piece []byte
		var flush bool
		piece, flush, end = f.next(ctx, c)
		left = end && ctx.Err() != nil
		if !left && head == 0 {
			if head = f.head(w); head != 0 {
				extend()
				w.WriteHeader(head)
			}
		}
		if left || len(piece) == 0 {
			continue
		}
		extend()
		_, err := w.Write(piece)
		if err == nil && flush {
			err = rc.Flush()
		}
		left = err != nil && !errors.Is(err, http.ErrNotSupported)
	}

	out, tries, ending := f.result(c, left)
	out.Status, out.Committed = head, head != 0
	switch {
	case ending == sayTooSlow:
		out.Err = tooSlow
		extend()
		_, _ = w.Write(of.ErrorEvent(tooSlow, 0)) // it may have gone meanwhile
	case ending == hangUp && head != 0:
		_ = rc.SetWriteDeadline(time.Unix(1, 0)) // net/http then closes the connection
	}
	return out, tries
}

// ending is how a client learns that its answer has no end.
type ending int

const (
	asItWas ending = iota // it has one, or says itself what went wrong
	sayTooSlow
	hangUp
)

// result is how the call ended for a client.
func (f *flight) result(c *client, left bool) (out upstream.Outcome, tries int, how ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tries = len(f.out.Attempts)
	switch {
	case left:
		return out, tries, asItWas
	case c.cut && f.flush:
		return out, tries, sayTooSlow
	case c.cut:
		return out, tries, hangUp
	case !f.given && f.done:
		f.given, out = true, f.out
	}
	out.Complete, out.Err, out.RetryAfter = f.out.Complete, f.out.Err, f.out.RetryAfter
	if f.broken {
		how = hangUp
	}
	return out, tries, how
}

// tooSlow is what a client hears that others do not wait for.
var tooSlow = openai.Fault(http.StatusGatewayTimeout, "The answer was shared with other requests, and this client took it too slowly.")

// head takes the answer's head over; 0: it is not there yet.
func (f *flight) head(w http.ResponseWriter) (status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(w.Header(), f.sent)
	return f.status
}

package wall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

// Request is one request as it reached the wall, and how it ended.
type Request struct {
	Conn   int64 // number of the connection, from 1
	Method string
	Path   string
	Query  string
	Host   string
	Header http.Header // not to be changed
	Body   []byte      // not to be changed
	Model  string      // empty when the body names none
	Stream bool

	Began  time.Time
	Took   time.Duration
	Wrote  time.Duration // when the last bytes of the answer were about to be sent; its client may have them before Took
	Ended  bool          // the fields below are final, and Took is set
	Status int           // as sent; 0 when nothing was
	Events int           // of a stream, as sent
	Fault  string        // what struck, such as "status 500"; empty when nothing did
	Left   bool          // the client left before the answer was complete
}

// SHA256 is the body's sum in hex.
func (r Request) SHA256() string {
	sum := sha256.Sum256(r.Body)
	return hex.EncodeToString(sum[:])
}

// Counts of what a wall has seen.
type Counts struct {
	Requests int
	Streams  int // requests that asked for a stream
	Complete int // answered to the end, refusals included
	Struck   int // by a fault
	Left     int // by their client
	Conns    int // connections that carried a request or were opened for one
}

type journal struct {
	keep int

	mu      sync.Mutex
	entries []*Request
	counts  Counts
	waiters int
	changed chan struct{} // closed and replaced at each change while somebody waits
}

func (j *journal) begin(x *exchange) *Request {
	r := x.request
	entry := &Request{
		Conn: x.conn, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Header: r.Header,
		Body: x.body, Model: x.model, Stream: x.stream, Began: time.Now(),
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Requests++
	if x.stream {
		j.counts.Streams++
	}
	if j.keep > 0 {
		if len(j.entries) >= 2*j.keep {
			j.entries = append(j.entries[:0:0], j.entries[j.keep:]...)
		}
		j.entries = append(j.entries, entry)
	}
	j.tell()
	return entry
}

func (j *journal) struck(entry *Request, fault string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry.Fault = fault
	j.counts.Struck++
	j.tell()
}

func (j *journal) end(x *exchange) {
	left := !x.complete && x.request.Context().Err() != nil
	j.mu.Lock()
	defer j.mu.Unlock()
	entry := x.record
	entry.Ended, entry.Took, entry.Wrote = true, time.Since(entry.Began), x.wrote
	entry.Status, entry.Events, entry.Left = x.status, x.events, left
	if x.complete {
		j.counts.Complete++
	}
	if left {
		j.counts.Left++
	}
	j.tell()
}

// tell wakes those who wait. A channel per change would be needless work while nobody does.
func (j *journal) tell() {
	if j.waiters > 0 {
		close(j.changed)
		j.changed = make(chan struct{})
	}
}

func (j *journal) copies() []Request {
	all := make([]Request, len(j.entries))
	for i, entry := range j.entries {
		all[i] = *entry
	}
	return all
}

// Requests returns what was asked, in order of arrival, requests under way included.
func (w *Wall) Requests() []Request {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.journal.copies()
}

// Counts since the wall was made, or since [Wall.Forget].
func (w *Wall) Counts() Counts {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	counts := w.journal.counts
	counts.Conns = int(w.conns.Load())
	return counts
}

// Forget empties the journal and sets its counts to zero; connections keep their numbers.
func (w *Wall) Forget() {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	w.journal.entries, w.journal.counts = nil, Counts{}
}

// Wait returns once enough says so of the requests so far, or with the context's error.
func (w *Wall) Wait(ctx context.Context, enough func([]Request) bool) error {
	j := &w.journal
	j.mu.Lock()
	j.waiters++
	defer func() {
		j.waiters--
		j.mu.Unlock()
	}()
	for !enough(j.copies()) {
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
			j.mu.Lock()
		case <-ctx.Done():
			j.mu.Lock()
			return ctx.Err()
		}
	}
	return nil
}

package batch

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

const (
	// busyWait is the first pause of a line that found no place. It doubles up
	// to busyMost.
	busyWait = 20 * time.Millisecond
	busyMost = time.Second
	// heldPerPlace bounds the lines of a batch that wait for another try, for
	// each that may be under way: when all fail, the rest is not begun.
	heldPerPlace = 4
)

// heldLine waits to be tried again.
type heldLine struct {
	line  int // from 0
	due   time.Time
	tries int  // that count
	waits int  // because of busy channels
	busy  bool // it waits because of them
}

// heldLines by when they are due.
type heldLines []heldLine

func (h heldLines) Len() int           { return len(h) }
func (h heldLines) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h heldLines) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heldLines) Push(x any)        { *h = append(*h, x.(heldLine)) }
func (h *heldLines) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// dispatch begins line after line while there is room, each batch in its turn.
func (b *Batches) dispatch(ctx, lines context.Context, r Runner, tries *sync.WaitGroup) {
	for ctx.Err() == nil {
		b.mu.Lock()
		w, l, wait := b.pick()
		if w != nil {
			line, cut := context.WithCancel(lines)
			w.inFlight[l.line] = cut
			b.inFlight++
			tries.Go(func() {
				b.try(line, w, l, r)
				cut()
			})
		}
		b.mu.Unlock()
		if w != nil {
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-b.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// idleWait is how long the dispatcher sleeps where nothing is due; it is woken
// when something is.
const idleWait = time.Hour

// pick is the next line, or how long it is until one is due. The lock is held.
func (b *Batches) pick() (*work, heldLine, time.Duration) {
	wait := idleWait
	most := b.config().Concurrency
	if b.inFlight >= most {
		return nil, heldLine{}, wait
	}
	now := b.now()
	for i := range b.active {
		at := (b.turn + i) % len(b.active)
		w := b.active[at]
		if w.stopped || w.status != InProgress || !now.Before(w.head.Expires) {
			continue
		}
		if len(w.held) > 0 && !w.held[0].due.After(now) {
			b.turn = at + 1
			return w, heap.Pop(&w.held).(heldLine), 0
		}
		for w.next < len(w.lines) && w.results[w.next].kind != 0 {
			w.next++ // a router before this one has done it
		}
		if w.next < len(w.lines) && len(w.held) < heldPerPlace*most {
			b.turn = at + 1
			w.next++
			return w, heldLine{line: w.next - 1}, 0
		}
		if len(w.held) > 0 {
			wait = min(wait, w.held[0].due.Sub(now))
		}
	}
	return nil, heldLine{}, wait
}

// try runs a line once, and records its result or holds it for another try.
func (b *Batches) try(ctx context.Context, w *work, l heldLine, r Runner) {
	again, ok := b.run(ctx, w, l, r)
	b.mu.Lock()
	delete(w.inFlight, l.line)
	b.inFlight--
	if again != nil {
		heap.Push(&w.held, *again)
	}
	if again == nil || !again.busy {
		w.hurry(b.now()) // it has left a place
	}
	done := w.stopped || w.completed+w.failed == w.total
	b.mu.Unlock()
	if done || !ok {
		w.tell()
	}
	b.poke()
}

// hurry makes a line due that waits for a place. The lock is held.
func (w *work) hurry(now time.Time) {
	for i := range w.held {
		if l := &w.held[i]; l.busy {
			l.due, l.busy = now, false
			heap.Fix(&w.held, i)
			return
		}
	}
}

// run answers when the line is to be tried again. It is not ok where the line
// was cut off.
func (b *Batches) run(ctx context.Context, w *work, l heldLine, r Runner) (again *heldLine, ok bool) {
	q, err := readAt(w.input, w.lines[l.line])
	var a Answer
	if err == nil {
		a = r.Run(ctx, Request{Owner: w.head.Owner, Endpoint: w.head.Endpoint, Header: w.head.Header, Body: q.Body})
	} else {
		b.log.Error("line not read", "batch", w.head.ID, "line", l.line+1, "err", err)
		a = Answer{Status: http.StatusInternalServerError, Body: []byte(`{"error":{"message":"The router could not read the line."}}`), ContentType: "application/json"}
	}
	if a.Status == 0 && !a.Busy {
		return nil, false
	}
	if wait, yes := b.later(&a, &l); yes {
		l.due = b.now().Add(wait)
		return &l, true
	}
	rec := record{kind: kindGood, line: l.line + 1, usage: a.Usage, payload: outputLine(q.CustomID, &a)}
	if a.Status >= 300 {
		rec.kind = kindBad
	}
	err = b.insist(ctx, func() error {
		at, err := w.journal.add(rec)
		if err == nil {
			b.mu.Lock()
			w.take(rec, at)
			b.mu.Unlock()
		}
		return err
	})
	switch {
	case err != nil:
		return nil, false
	case rec.kind == kindGood:
		b.tallies.completed.Add(1)
	default:
		b.tallies.failed.Add(1)
	}
	return nil, true
}

// later reports whether a line is to be tried again, and when. What only says
// "not now" is, until the batch expires; what fails, a few times.
func (b *Batches) later(a *Answer, l *heldLine) (time.Duration, bool) {
	if l.busy = a.Busy; a.Busy {
		b.tallies.busy.Add(1)
		l.waits++
		return jittered(busyWait, l.waits, busyMost), true
	}
	switch a.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if !quota(a.Body) {
			break
		}
		fallthrough
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		if l.tries >= b.config().Retries {
			return 0, false
		}
	default:
		return 0, false
	}
	b.tallies.retried.Add(1)
	l.tries++
	return max(a.RetryAfter, jittered(b.config().Backoff, l.tries, b.config().MaxBackoff)), true
}

// quota reports an error that does not pass by itself.
func quota(body []byte) bool {
	var e struct{ Error struct{ Code string } }
	return json.Unmarshal(body, &e) == nil && e.Error.Code == "insufficient_quota"
}

// jittered is the n-th of waits that double, from 1, less up to a half.
func jittered(first time.Duration, n int, most time.Duration) time.Duration {
	d := most
	if n < 30 { // else it is shifted out
		if d = first << (n - 1); d <= 0 || d > most {
			d = most
		}
	}
	return d - rand.N(d/2+1)
}

// outputLine is a line of the output or the error file.
func outputLine(customID string, a *Answer) []byte {
	dst := slices.Grow([]byte(nil), len(a.Body)+200)
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendQuote(dst, newID("batch_req_"))
	dst = append(dst, `,"custom_id":`...)
	dst = rawjson.AppendQuote(dst, customID)
	dst = append(dst, `,"response":{"status_code":`...)
	dst = strconv.AppendInt(dst, int64(a.Status), 10)
	dst = append(dst, `,"request_id":`...)
	dst = rawjson.AppendQuote(dst, a.RequestID)
	dst = append(dst, `,"body":`...)
	dst = appendBody(dst, a)
	return append(dst, `},"error":null}`...)
}

// appendBody makes an answer fit for a line: JSON as it is, text as a string.
// Sound is an object of our own making.
func appendBody(dst []byte, a *Answer) []byte {
	var compact bytes.Buffer
	kind, _, _ := mime.ParseMediaType(a.ContentType)
	switch {
	case json.Compact(&compact, a.Body) == nil && compact.Len() > 0:
		return append(dst, compact.Bytes()...)
	case strings.HasPrefix(kind, "text/") && utf8.Valid(a.Body):
		return rawjson.AppendQuote(dst, string(a.Body))
	}
	dst = append(dst, `{"content_type":`...)
	dst = rawjson.AppendQuote(dst, kind)
	dst = append(dst, `,"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, a.Body)
	return append(dst, `"}`...)
}

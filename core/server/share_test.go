package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func sharing() *Server {
	return &Server{metrics: NewMetrics(func() *State { return nil }), log: hclog.NewNullLogger()}
}

// reader is a client's side of an answer. One with a gate takes a piece each
// time that the gate lets it.
type reader struct {
	gate   chan struct{}
	header http.Header

	mu      sync.Mutex
	status  int
	body    bytes.Buffer
	flushes int
	hungUp  bool
}

func (r *reader) Header() http.Header { return r.header }

func (r *reader) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *reader) Write(p []byte) (int, error) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.Write(p)
}

func (r *reader) Flush() { r.flushes++ }

func (r *reader) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hungUp = r.hungUp || t.Unix() == 1
	return nil
}

func (r *reader) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.String()
}

// taken is a request that takes part, and what came of it.
type taken struct {
	reader
	leave   context.CancelFunc
	ended   chan struct{}
	out     upstream.Outcome
	follows bool
}

type call = func(context.Context, http.ResponseWriter) upstream.Outcome

// take has a request take part. It returns once that waits for something.
func take(s *Server, buffer int64, gate chan struct{}, c call) *taken {
	r := &taken{reader: reader{header: http.Header{}, gate: gate}, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	r.leave = cancel
	go func() {
		defer close(r.ended)
		r.out, _, r.follows = s.share(ctx, r, &stay{State: new(State)}, &pipeline.Share{Buffer: buffer}, &upstream.Call{Endpoint: sdk.Chat}, c)
	}()
	synctest.Wait()
	return r
}

// pieces is an upstream that says a piece each time that it is told to go on,
// and ends well once go is closed.
func pieces(calls *int, goOn <-chan string) call {
	return func(ctx context.Context, w http.ResponseWriter) upstream.Outcome {
		*calls++
		w.Header().Set("X-From", "upstream")
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w)
		for {
			select {
			case p, more := <-goOn:
				if !more {
					return upstream.Outcome{Status: 200, Committed: true, Complete: true, Attempts: make([]upstream.Attempt, 1), TTFT: time.Second}
				}
				if _, err := w.Write([]byte(p)); err != nil {
					return upstream.Outcome{Status: 200, Committed: true}
				}
				if err := rc.Flush(); err != nil {
					return upstream.Outcome{Status: 200, Committed: true}
				}
			case <-ctx.Done():
				return upstream.Outcome{Status: 200, Committed: true}
			}
		}
	}
}

const roomy = 1 << 20

func TestFiftyShareOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, calls, goOn := sharing(), 0, make(chan string)
		var all []*taken
		want := ""
		for i := range 50 { // each comes a piece later
			all = append(all, take(s, roomy, nil, pieces(&calls, goOn)))
			if i == 0 || i == 49 {
				continue
			}
			goOn <- "piece "
			want += "piece "
			synctest.Wait()
			if got := all[0].got(); got != want {
				t.Fatalf("not live: %q, want %q", got, want)
			}
		}
		close(goOn)
		synctest.Wait()
		complete, counted := 0, 0
		for i, r := range all {
			<-r.ended
			if r.got() != want || r.status != 200 || r.header.Get("X-From") != "upstream" || i < 49 && r.flushes == 0 {
				t.Errorf("client %d got %d %q", i, r.status, r.got())
			}
			if r.follows != (i > 0) || (r.header.Get("X-Cache") == pipeline.Shared) != (i > 0) {
				t.Errorf("client %d follows: %t, x-cache %q", i, r.follows, r.header.Get("X-Cache"))
			}
			if r.out.Complete && r.out.Committed && r.out.Status == 200 && !r.hungUp {
				complete++
			}
			if len(r.out.Attempts) > 0 {
				counted++
			}
		}
		if calls != 1 || complete != 50 || counted != 1 {
			t.Errorf("%d calls, %d complete answers, counted %d times", calls, complete, counted)
		}
		if len(s.flights.of) != 0 {
			t.Error("the flight is still there")
		}
		// The next one is no follower of what is over.
		again := make(chan string)
		r := take(s, roomy, nil, pieces(&calls, again))
		close(again)
		<-r.ended
		if calls != 2 || r.follows {
			t.Error("an answer that was over was shared")
		}
	})
}

func TestTheFirstMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, calls, goOn := sharing(), 0, make(chan string)
		first := take(s, roomy, nil, pieces(&calls, goOn))
		second := take(s, roomy, nil, pieces(&calls, goOn))
		goOn <- "one "
		synctest.Wait()
		first.leave()
		<-first.ended
		if first.out.Complete || first.out.Err != nil || !first.out.Committed {
			t.Errorf("the one who left: %+v", first.out)
		}
		third := take(s, roomy, nil, pieces(&calls, goOn))
		goOn <- "two"
		close(goOn)
		for _, r := range []*taken{second, third} {
			<-r.ended
			if r.got() != "one two" || !r.out.Complete {
				t.Errorf("got %q, %+v", r.got(), r.out)
			}
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestTheLastToLeaveEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sharing()
		var cause error
		ended := make(chan struct{})
		silent := func(ctx context.Context, _ http.ResponseWriter) upstream.Outcome {
			<-ctx.Done()
			cause = context.Cause(ctx)
			close(ended)
			return upstream.Outcome{}
		}
		first, second := take(s, roomy, nil, silent), take(s, roomy, nil, silent)
		first.leave()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("ended while somebody waits")
		default:
		}
		second.leave()
		<-ended
		<-second.ended
		if !errors.Is(cause, context.Canceled) {
			t.Errorf("ended by %v", cause)
		}
		if second.out.Committed || second.out.Err != nil {
			t.Errorf("the one who left: %+v", second.out)
		}
		if len(s.flights.of) != 0 {
			t.Error("a call that ends can be joined")
		}
	})
}

func TestErrorsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, goOn := sharing(), make(chan struct{})
		fails := func(context.Context, http.ResponseWriter) upstream.Outcome {
			<-goOn
			return upstream.Outcome{Err: openai.Fault(503, "no"), RetryAfter: time.Minute, Attempts: make([]upstream.Attempt, 2)}
		}
		first, second := take(s, roomy, nil, fails), take(s, roomy, nil, fails)
		close(goOn)
		for _, r := range []*taken{first, second} {
			<-r.ended
			if r.out.Err == nil || r.out.Err.Status != 503 || r.out.RetryAfter != time.Minute || r.out.Committed || r.status != 0 {
				t.Errorf("got %+v", r.out)
			}
		}
	})
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, goOn := sharing(), make(chan struct{})
		breaks := func(_ context.Context, w http.ResponseWriter) upstream.Outcome {
			_, _ = w.Write([]byte("half")) // cannot fail: both are there
			<-goOn
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) // a flight has deadlines
			return upstream.Outcome{Status: 200, Committed: true, Err: openai.Fault(502, "broke off")}
		}
		first, second := take(s, roomy, nil, breaks), take(s, roomy, nil, breaks)
		close(goOn)
		for _, r := range []*taken{first, second} {
			if <-r.ended; !r.hungUp || r.out.Complete {
				t.Errorf("hung up: %t, %+v", r.hungUp, r.out)
			}
		}
	})
}

func TestACallThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sharing()
		r := take(s, roomy, nil, func(context.Context, http.ResponseWriter) upstream.Outcome { panic("no") })
		<-r.ended
		if r.out.Err == nil || r.out.Err.Status != 500 || r.status != 0 {
			t.Errorf("got %+v", r.out)
		}
		r = take(s, roomy, nil, func(_ context.Context, w http.ResponseWriter) upstream.Outcome {
			w.WriteHeader(http.StatusOK)
			panic("no")
		})
		if <-r.ended; !r.hungUp {
			t.Error("a client is left with half an answer that looks whole")
		}
	})
}

// One that does not take its answer holds the others up for a while at most,
// and only once the buffer is full.
func TestASlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const buffer = 1 << 10
		s, calls, goOn := sharing(), 0, make(chan string)
		gate := make(chan struct{})
		fast := take(s, buffer, nil, pieces(&calls, goOn))
		slow := take(s, buffer, gate, pieces(&calls, goOn))
		begun := time.Now()
		want := strings.Repeat("x", 3*buffer)
		for i := 0; i < len(want); i += 128 {
			goOn <- want[i : i+128]
			if i+128 == buffer && time.Since(begun) != 0 {
				t.Errorf("the others waited %s before the buffer was full", time.Since(begun))
			}
		}
		close(goOn)
		<-fast.ended
		if fast.got() != want || !fast.out.Complete {
			t.Errorf("the fast one got %d bytes of %d", len(fast.got()), len(want))
		}
		if waited := time.Since(begun); waited != maxLag {
			t.Errorf("the fast one waited %s in all, want %s", waited, maxLag)
		}
		close(gate)
		<-slow.ended
		if got := slow.got(); slow.out.Err != tooSlow || !strings.HasSuffix(got, "\n\n") || !strings.Contains(got, `data: {"error":`) {
			t.Errorf("the slow one got %q and %v", got, slow.out.Err)
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

// Alone, a slow client slows the upstream down, as it does without sharing.
func TestASlowClientAloneGetsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const buffer = 1 << 10
		s, calls, goOn := sharing(), 0, make(chan string, 100)
		gate := make(chan struct{})
		slow := take(s, buffer, gate, pieces(&calls, goOn))
		want := strings.Repeat("x", 8*buffer)
		for i := 0; i < len(want); i += 128 {
			goOn <- want[i : i+128]
		}
		close(goOn)
		time.Sleep(time.Hour)
		if len(goOn) < 40 {
			t.Errorf("the upstream went on: %d pieces are left", len(goOn))
		}
		// Who comes now would not get the beginning.
		other := make(chan string)
		second := take(s, buffer, nil, pieces(&calls, other))
		if second.follows || calls != 2 {
			t.Error("joined an answer whose beginning is gone")
		}
		close(other)
		close(gate)
		<-slow.ended
		<-second.ended
		if slow.got() != want || !slow.out.Complete {
			t.Errorf("got %d bytes of %d: %+v", len(slow.got()), len(want), slow.out)
		}
	})
}

// A write that nobody takes has its time too.
func TestAWriteHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sharing()
		gate := make(chan struct{})
		var err error
		r := take(s, 4, gate, func(_ context.Context, w http.ResponseWriter) upstream.Outcome {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)) // a flight has deadlines
			begun := time.Now()
			for err == nil {
				_, err = w.Write([]byte("12345678"))
			}
			if time.Since(begun) != time.Minute {
				t.Errorf("ended after %s", time.Since(begun))
			}
			return upstream.Outcome{Status: 200, Committed: true}
		})
		time.Sleep(time.Hour)
		close(gate)
		<-r.ended
		if err == nil {
			t.Error("no error")
		}
	})
}

func TestManyComeAndGo(t *testing.T) {
	t.Parallel()
	s := sharing()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &reader{header: http.Header{}}
			share := &pipeline.Share{Buffer: 256}
			out, _, _ := s.share(ctx, r, &stay{State: new(State)}, share, &upstream.Call{Endpoint: sdk.Chat}, func(ctx context.Context, w http.ResponseWriter) upstream.Outcome {
				for range 50 {
					if _, err := w.Write([]byte("0123456789")); err != nil || ctx.Err() != nil {
						return upstream.Outcome{}
					}
				}
				return upstream.Outcome{Status: 200, Committed: true, Complete: true}
			})
			if i%3 == 0 {
				cancel()
			}
			if out.Complete && r.got() != strings.Repeat("0123456789", 50) {
				t.Errorf("complete, and %d bytes", len(r.got()))
			}
		})
	}
	wg.Wait()
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	if len(s.flights.of) != 0 {
		t.Errorf("%d flights are left", len(s.flights.of))
	}
}

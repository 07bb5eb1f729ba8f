package board

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// limited is a board of two channels, each with room for so many requests and
// as long a line.
func limited(t *testing.T, room, line int) (*Board, []*Target) {
	var channels []*config.Channel
	for _, name := range []string{"a", "b"} {
		c := channel(name, "m1")
		c.MaxInFlight, c.Queue = room, line
		channels = append(channels, c)
	}
	b, _ := newBoard(t, conf(channels...))
	return b, b.View().Targets
}

// TestNeverMoreThanMaxInFlight: whoever asks, and however they leave.
func TestNeverMoreThanMaxInFlight(t *testing.T) {
	t.Parallel()
	const room = 3
	_, targets := limited(t, room, 1000)
	var now [2]atomic.Int64
	var served atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%7 == 0 {
					go cancel() // some leave the line, at any moment
				}
				x := targets[i%2]
				if !x.Begin(time.Now()) {
					var err error
					if x, err = Queue(ctx, targets, time.Now); err != nil {
						cancel()
						continue
					}
				}
				at := &now[0]
				if x == targets[1] {
					at = &now[1]
				}
				if n := at.Add(1); n > room {
					t.Errorf("%d at %s, want %d at most", n, x.Name(), room)
				}
				served.Add(1)
				at.Add(-1)
				x.Leave()
				cancel()
			}
		})
	}
	all.Wait()
	for _, x := range targets {
		if x.InFlight() != 0 || x.Channel.InFlight() != 0 || x.Channel.Queued() != 0 {
			t.Errorf("%s: %d in flight, its channel %d, %d in line", x.Name(), x.InFlight(), x.Channel.InFlight(), x.Channel.Queued())
		}
	}
	if served.Load() < 24*200/2 {
		t.Errorf("%d served", served.Load())
	}
}

// TestQueue: first come, first served; who leaves the line is not served; the
// line has an end, and no one jumps it.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, targets := limited(t, 1, 2)
		a := targets[:1]
		if !a[0].Begin(time.Now()) || a[0].Begin(time.Now()) {
			t.Fatal("one place is not one place")
		}
		order := make(chan int, 3)
		wait := func(ctx context.Context, n int) {
			go func() {
				x, err := Queue(ctx, a, time.Now)
				if err != nil {
					order <- -n
					return
				}
				order <- n
				time.Sleep(time.Second)
				x.Leave()
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait(ctx, 1)
		wait(t.Context(), 2)
		if _, err := Queue(t.Context(), a, time.Now); !errors.Is(err, ErrQueueFull) || a[0].Channel.Queued() != 2 {
			t.Errorf("%v with %d in line", err, a[0].Channel.Queued())
		}
		cancel()
		if n := <-order; n != -1 {
			t.Errorf("%d came first, want the one who left", n)
		}
		wait(t.Context(), 3)
		time.Sleep(time.Minute)
		a[0].Leave()
		if a[0].Begin(time.Now()) {
			t.Error("somebody jumped the queue")
		}
		if a[0].Admit(time.Now()) != Full {
			t.Error("others wait, and it is not full")
		}
		if n, m := <-order, <-order; n != 2 || m != 3 {
			t.Errorf("served %d and %d", n, m)
		}
		if w := a[0].Channel.QueueWait(); w != time.Minute+time.Second {
			t.Errorf("the last one waited %s", w)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if a[0].InFlight() != 0 || a[0].Channel.InFlight() != 0 || !a[0].Begin(time.Now()) {
			t.Error("a place was lost")
		}
		a[0].Leave()
	})
}

// TestQueueAtSeveral: the first place that becomes free is taken, and only that
// one.
func TestQueueAtSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, targets := limited(t, 1, 1)
		for _, x := range targets {
			x.Begin(time.Now())
		}
		got := make(chan *Target)
		go func() {
			x, err := Queue(t.Context(), targets, time.Now)
			if err != nil {
				t.Error(err)
			}
			got <- x
		}()
		synctest.Wait()
		targets[1].Leave()
		if x := <-got; x != targets[1] {
			t.Errorf("got a place at %s", x.Name())
		}
		synctest.Wait()
		targets[0].Leave()
		if n := targets[0].Channel.Queued(); n != 0 || targets[0].Channel.InFlight() != 0 || targets[1].Channel.InFlight() != 1 {
			t.Errorf("%d still in line, %d and %d in flight", n, targets[0].Channel.InFlight(), targets[1].Channel.InFlight())
		}
		targets[1].Leave()
	})
}

// TestQueueTimeout: the context's end is the wait's.
func TestQueueTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, targets := limited(t, 1, 1)
		targets[0].Begin(time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := Queue(ctx, targets[:1], time.Now); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		targets[0].Leave()
	})
}

// TestQueueBanned: a place in line is no way around a ban.
func TestQueueBanned(t *testing.T) {
	t.Parallel()
	b, targets := limited(t, 1, 1)
	targets[0].Begin(b.now())
	fail(b, targets[1], Failure{Class: Auth})
	if targets[0].Admit(b.now()) != Full || targets[1].Admit(b.now()) != Out {
		t.Errorf("admissions %d and %d", targets[0].Admit(b.now()), targets[1].Admit(b.now()))
	}
	targets[1].Begin(b.now())
	if targets[1].Admit(b.now()) != Out {
		t.Error("a full channel hides its ban")
	}
}

// TestQueueGoesOnWithoutItsFirst: who needs less than the first, which leaves or is
// served elsewhere, does not wait for what the first needed.
func TestQueueGoesOnWithoutItsFirst(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(leave func(), elsewhere *Target){
		"it leaves":              func(leave func(), _ *Target) { leave() },
		"it is served elsewhere": func(_ func(), elsewhere *Target) { elsewhere.Leave() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, other := channel("a", "m1"), channel("b", "m1")
				a.TokensPerMinute, a.Queue, other.MaxInFlight, other.Queue = 1000, 10, 1, 10
				b := New(nil)
				b.Apply(conf(a, other))
				targets := b.View().Targets
				if !targets[0].BeginWith(b.now(), 800) || !targets[1].Begin(b.now()) {
					t.Fatal("there is no room")
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				go QueueWith(ctx, targets, 900, b.now)
				synctest.Wait()
				begun := b.now()
				served := make(chan *Target)
				go func() {
					x, _ := QueueWith(t.Context(), targets[:1], 100, b.now)
					served <- x
				}()
				time.Sleep(time.Second)
				end(leave, targets[1])
				if x := <-served; x != targets[0] || b.now().Sub(begun) != time.Second {
					t.Errorf("served by %v after %s", x, b.now().Sub(begun))
				}
			})
		})
	}
}

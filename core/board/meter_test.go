package board

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// minutely is a board with one target under limits per minute.
func minutely(requests, tokens int) (*Board, *Target) {
	c := channel("a", "m1")
	c.RequestsPerMinute, c.TokensPerMinute, c.Queue = requests, tokens, 10
	b := New(nil)
	b.Apply(conf(c))
	return b, b.View().Targets[0]
}

func TestRequestsPerMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, x := minutely(3, 0)
		for i := range 3 { // all at once
			if x.Admit(b.now()) != Admitted || !x.Begin(b.now()) {
				t.Fatalf("request %d of 3 is refused", i)
			}
			x.Leave()
		}
		if x.Admit(b.now()) != Full || x.Begin(b.now()) {
			t.Error("a fourth is let through")
		}
		if wait := x.Channel.Wait(0, b.now()); wait <= 59*time.Second || wait > Window+time.Second {
			t.Errorf("the next is let through in %s", wait)
		}
		// One that was not sent leaves its place to another.
		time.Sleep(59 * time.Second)
		if x.Begin(b.now()) {
			t.Error("a fourth is let through within the minute")
		}
		time.Sleep(2 * time.Second)
		begun := b.now()
		for range 5 {
			if !x.Begin(begun) {
				t.Fatal("refused after the minute, or as one was counted that was not sent")
			}
			x.Withdraw(begun, 0)
		}
	})
}

func TestTokensSettleAfterTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, x := minutely(0, 1000)
		begun := b.now()
		if !x.BeginWith(begun, 900) || x.BeginWith(begun, 200) {
			t.Fatal("900 and 200 of 1000")
		}
		x.Settle(begun, 900, 300)
		x.Leave()
		if !x.BeginWith(begun, 600) {
			t.Error("what was reckoned too much is not given back")
		}
		x.Settle(begun, 600, 1200) // much more than was reckoned
		x.Leave()
		if used := x.Channel.Used(LimitTokens); used != 1500 || x.BeginWith(b.now(), 1) {
			t.Errorf("%d tokens are used, and there is room", used)
		}
		time.Sleep(Window + time.Second)
		// One that is larger than the limit passes where there is nothing else.
		if !x.BeginWith(b.now(), 5000) {
			t.Error("a request over the limit never passes")
		}
		x.Leave()
		// An answer that took longer than the minute is counted, not lost.
		time.Sleep(2 * Window)
		x.Settle(begun, 0, 400)
		if used := x.Channel.Used(LimitTokens); used != 400 {
			t.Errorf("%d tokens are used after a late answer", used)
		}
	})
}

// A line is served when the minute lets it, though nobody leaves.
func TestTheLineWaitsForTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, x := minutely(1, 0)
		begun := b.now()
		x.Begin(begun)
		x.Leave()
		got, err := Queue(context.Background(), []*Target{x}, b.now)
		if err != nil || got != x {
			t.Fatalf("%v, %v", got, err)
		}
		if waited := time.Since(begun); waited < Window || waited > Window+2*time.Second {
			t.Errorf("served after %s", waited)
		}
		got.Leave()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := Queue(ctx, []*Target{x}, b.now); err == nil {
			t.Error("served twice within a minute")
		}
		// Who left is not counted.
		time.Sleep(Window + time.Second)
		if !x.Begin(b.now()) {
			t.Error("one that left the line has taken a place")
		}
	})
}

// A share bounds what is let through, and a larger one brings the line in.
func TestShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := channel("a", "m1")
		c.MaxInFlight, c.Queue = 5, 10
		b := New(nil)
		b.Share(true)
		b.Apply(&config.Config{Channels: []*config.Channel{c}})
		x := b.View().Targets[0]
		if x.Begin(b.now()) || x.Admit(b.now()) != Full {
			t.Error("let through without a share")
		}
		select {
		case <-b.Short():
		default:
			t.Error("nobody was told that the share is short")
		}
		served := make(chan *Target)
		go func() {
			got, _ := Queue(context.Background(), []*Target{x}, b.now)
			served <- got
		}()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if n := x.Channel.Need(LimitInFlight); n.Used != 0 || n.Wanted != 1 || time.Since(n.Since) != 3*time.Second {
			t.Errorf("the need is %+v", n)
		}
		x.Channel.SetShare(LimitInFlight, 2)
		if <-served != x || !x.Begin(b.now()) || x.Begin(b.now()) {
			t.Error("a share of two lets through another number")
		}
		if used := x.Channel.SetShare(LimitInFlight, 1); used != 2 || x.Channel.Share(LimitInFlight) != 1 {
			t.Errorf("%d in use under a share that was lowered", used)
		}
		x.Leave()
		if x.Begin(b.now()) {
			t.Error("let through beyond a share that was lowered")
		}
		x.Channel.SetShare(LimitInFlight, Whole)
		for range 4 {
			if !x.Begin(b.now()) {
				t.Error("the whole is not the whole")
			}
		}
		if x.Begin(b.now()) || x.Channel.Share(LimitInFlight) != Whole {
			t.Error("beyond the limit")
		}
	})
}

// Of what a share keeps back it is known how much that is, in line or not, and
// for how long: until it is let through, or does not come again.
func TestNeedOfALimitPerMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, x := minutely(0, 1000)
		c := x.Channel
		c.SetShare(LimitTokens, 100)
		is := func(what string, want Need) {
			t.Helper()
			if n := c.Need(LimitTokens); n != want {
				t.Errorf("%s: the need is %+v, want %+v", what, n, want)
			}
		}
		begun := b.now()
		x.BeginWith(begun, 300)
		x.BeginWith(begun, 4000)
		is("refused", Need{Wanted: 1300, Least: 300, Since: begun})
		time.Sleep(refusalsCount)
		is("it may come again", Need{Wanted: 1300, Least: 300, Since: begun})
		if wait := c.Wait(300, b.now()); wait != shareWait {
			t.Errorf("it is told to wait %s, though a share may come", wait)
		}
		time.Sleep(time.Second)
		is("it does not come again", Need{})

		ctx, cancel := context.WithCancel(context.Background())
		begun = b.now()
		for range 2 {
			go QueueWith(ctx, []*Target{x}, 400, b.now)
		}
		synctest.Wait()
		time.Sleep(30 * time.Second)
		is("in line", Need{Wanted: 800, Least: 400, Since: begun})
		c.SetShare(LimitTokens, 400)
		synctest.Wait()
		time.Sleep(5 * time.Second)
		if n := c.Need(LimitTokens); n.Used != 400 || n.Wanted != 800 || !n.Since.After(begun) {
			t.Errorf("one was let through: %+v", n)
		}
		cancel()
		synctest.Wait()
	})
}

// A place that one limit refuses is not asked for from another.
func TestNeedOfPlacesIsWhatTheyKeepBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := channel("a", "m1")
		c.MaxInFlight, c.RequestsPerMinute, c.Queue = 5, 1, 10
		b := New(nil)
		b.Apply(conf(c))
		x := b.View().Targets[0]
		is := func(what string, want Need) {
			t.Helper()
			want.Least = 1
			if n := x.Channel.Need(LimitInFlight); n != want {
				t.Errorf("%s: the need is %+v, want %+v", what, n, want)
			}
		}
		if !x.Begin(b.now()) || x.Begin(b.now()) || x.Begin(b.now()) {
			t.Fatal("one request a minute is not one")
		}
		is("two were refused by the minute's limit", Need{Used: 1, Wanted: 1})
		x.Leave()

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go Queue(ctx, []*Target{x}, b.now)
		synctest.Wait()
		if x.Begin(b.now()) {
			t.Fatal("somebody jumped the queue")
		}
		is("the line waits for the minute's limit", Need{})

		x.Channel.SetShare(LimitInFlight, 0)
		for range 2 {
			if x.Begin(b.now()) {
				t.Fatal("let through without a share")
			}
		}
		is("two were refused for want of a share", Need{Wanted: 2, Since: b.now()})
		is("one is in line for want of a share", Need{Wanted: 1, Since: b.now()})
	})
}

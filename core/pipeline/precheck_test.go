package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// answer is what a channel's check brings, and when.
type answer struct {
	after time.Duration
	up    bool
	err   error
}

// checks counts what was asked of each channel.
type checks struct {
	mu      sync.Mutex
	answers map[string]answer // a channel without one is silent
	asked   map[string]int
}

func (c *checks) check(ctx context.Context, ch sdk.Channel, model string) (sdk.Availability, error) {
	c.mu.Lock()
	a, ok := c.answers[ch.Name]
	c.asked[ch.Name]++
	c.mu.Unlock()
	if model != "m" {
		return sdk.Availability{}, fmt.Errorf("asked about the model %q", model)
	}
	if !ok {
		a.after = time.Hour
	}
	select {
	case <-time.After(a.after):
	case <-ctx.Done():
		return sdk.Availability{}, ctx.Err()
	}
	out := sdk.Availability{Available: a.up, Reason: "checked"}
	if !a.up {
		out.Lease = sdk.For(10 * time.Second)
	}
	return out, a.err
}

func (c *checks) set(name string, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[name] = a
}

func (c *checks) counts() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.asked)
}

func TestPrecheck(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	up := func(after time.Duration) answer { return answer{after: after, up: true} }
	down := func(after time.Duration) answer { return answer{after: after} }
	broken := answer{after: ms, err: errors.New("the plugin is down")}
	tests := []struct {
		name    string
		known   []string
		answers map[string]answer
		tiers   [][]string
		onError config.OnError
		waits   time.Duration
		asked   string
		want    []string
		reject  bool
	}{
		{
			name: "the first is known", known: []string{"a"}, tiers: [][]string{{"a"}, {"b"}, {"c"}},
			asked: "map[]", want: []string{"a", "b", "c"},
		},
		{
			name: "the first is up", answers: map[string]answer{"a": up(30 * ms), "b": up(40 * ms), "c": up(50 * ms)},
			tiers: [][]string{{"a"}, {"b"}, {"c"}}, waits: 30 * ms, asked: "map[a:1 b:1 c:1]", want: []string{"a", "b", "c"},
		},
		{
			name: "the first of a tier to answer goes first in it", answers: map[string]answer{"b": up(30 * ms), "a": up(900 * ms)},
			tiers: [][]string{{"a", "b"}, {"c"}}, waits: 30 * ms, asked: "map[a:1 b:1 c:1]", want: []string{"b", "a", "c"},
		},
		{
			name: "another of the tier is known", known: []string{"b"}, answers: map[string]answer{"a": up(900 * ms)},
			tiers: [][]string{{"a", "b"}, {"c"}}, asked: "map[a:1 c:1]", want: []string{"b", "a", "c"},
		},
		{
			name: "a lower tier is up at once, the upper one later", answers: map[string]answer{"a": up(30 * ms), "b": up(ms)},
			tiers: [][]string{{"a"}, {"b"}, {"c"}}, waits: 30 * ms, asked: "map[a:1 b:1 c:1]", want: []string{"a", "b", "c"},
		},
		{
			name: "the upper tier is down", answers: map[string]answer{"a": down(30 * ms), "b": up(ms)},
			tiers: [][]string{{"a"}, {"b"}, {"c"}}, waits: 30 * ms, asked: "map[a:1 b:1 c:1]", want: []string{"b", "c", "a"},
		},
		{
			name: "the upper tier is silent", answers: map[string]answer{"b": up(ms)},
			tiers: [][]string{{"a"}, {"b"}}, waits: 2 * time.Second, asked: "map[a:1 b:1]", want: []string{"b", "a"},
		},
		{
			name: "the upper tier can't be checked", answers: map[string]answer{"a": broken, "b": up(30 * ms)},
			tiers: [][]string{{"a"}, {"b"}}, waits: 30 * ms, asked: "map[a:1 b:1]", want: []string{"b", "a"},
		},
		{
			name: "nobody answers", tiers: [][]string{{"a"}, {"b"}, {"c"}, {"d"}},
			waits: 2 * time.Second, asked: "map[a:1 b:1 c:1]", want: []string{"d", "a", "b", "c"},
		},
		{
			name: "the plugin is down", answers: map[string]answer{"a": broken, "b": broken, "c": broken},
			tiers: [][]string{{"a"}, {"b"}, {"c"}, {"d"}}, waits: ms, asked: "map[a:1 b:1 c:1]", want: []string{"a", "b", "c", "d"},
		},
		{
			name: "the plugin is down, and the step rejects", answers: map[string]answer{"a": broken, "b": broken},
			tiers: [][]string{{"a"}, {"b"}}, onError: config.OnErrorReject, waits: ms, asked: "map[a:1 b:1]", reject: true,
		},
		{
			name: "all are down, and the step rejects where its plugin is", answers: map[string]answer{"a": down(ms), "b": down(ms)},
			tiers: [][]string{{"a"}, {"b"}}, onError: config.OnErrorReject, waits: ms, asked: "map[a:1 b:1]", want: []string{"a", "b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig("a", "b", "c", "d")
				r.up(tt.known...)
				c := &checks{answers: tt.answers, asked: map[string]int{}}
				r.checker = c.check
				// Weights keep the order inside a tier: the turn is the first one's.
				plan := r.tiers(t, tt.tiers...)
				for i := range plan.Tiers {
					plan.Tiers[i].Picks[0].Weight = 1000
				}
				r.selector = always(plan)
				step := precheckStep()
				if tt.onError != "" {
					step.OnError = tt.onError
				}
				p := r.pipeline(t, chooseStep(), step)
				begin := time.Now()
				v := p.Run(context.Background(), request())
				waited := time.Since(begin)
				got := order(v.Walk)
				var again Verdict
				if tt.reject {
					again = p.Run(context.Background(), request()) // by what is remembered
				}
				time.Sleep(time.Minute) // what is under way ends
				if waited != tt.waits || c.counts() != tt.asked {
					t.Errorf("waited %s, asked %s; want %s, %s", waited, c.counts(), tt.waits, tt.asked)
				}
				if tt.reject {
					if v.Reject == nil || v.Reject.Status != 503 || again.Reject == nil {
						t.Errorf("got %+v, then %+v", v.Reject, again.Reject)
					}
					return
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("went %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// checking is a pipeline that prefers a before b, with a fake checker.
func checking(t *testing.T, answers map[string]answer, channels ...string) (*rig, *checks, func() (first string, waited time.Duration)) {
	t.Helper()
	r := newRig(channels...)
	c := &checks{answers: maps.Clone(answers), asked: map[string]int{}}
	r.checker = c.check
	var tiers [][]string
	for _, name := range channels {
		tiers = append(tiers, []string{name})
	}
	r.selector = always(r.tiers(t, tiers...))
	p := r.pipeline(t, chooseStep(), precheckStep())
	return r, c, func() (string, time.Duration) {
		begin := time.Now()
		v := p.Run(context.Background(), request())
		waited := time.Since(begin)
		synctest.Wait()
		if got := order(v.Walk); len(got) > 0 {
			return got[0], waited
		}
		return "", waited
	}
}

// A dead first channel costs a wait once, not each request.
func TestASilentChannelIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c, run := checking(t, map[string]answer{"b": {up: true}}, "a", "b")
		if first, waited := run(); first != "b" || waited != 2*time.Second {
			t.Errorf("first %s after %s", first, waited)
		}
		for range 9 { // seconds
			if first, waited := run(); first != "b" || waited != 0 {
				t.Errorf("again: first %s after %s", first, waited)
			}
			time.Sleep(time.Second)
		}
		if got := c.counts(); got != "map[a:1 b:1]" {
			t.Errorf("asked %s", got)
		}
	})
}

// What was seen up and failed since is checked again, whatever lease it has.
func TestAFailureSinceTheCheckEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, c, run := checking(t, map[string]answer{"a": {up: true}}, "a")
		run()
		r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Connect, Reason: "refused"})
		if first, _ := run(); first != "a" || c.counts() != "map[a:2]" {
			t.Errorf("first %s, asked %s", first, c.counts())
		}
		if !r.board.View().Channel("a").Known() {
			t.Error("it was found up again, and is not known")
		}
		// It fails, and is found down: then its lease of ten seconds holds.
		r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Connect, Reason: "refused"})
		c.set("a", answer{})
		run()
		run()
		if got := c.counts(); got != "map[a:3]" {
			t.Errorf("asked %s within the lease", got)
		}
		time.Sleep(10 * time.Second)
		run()
		if got := c.counts(); got != "map[a:4]" {
			t.Errorf("asked %s after it", got)
		}
	})
}

func TestAvailabilityIsRenewedBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, c, run := checking(t, map[string]answer{"a": {up: true, after: 500 * time.Millisecond}}, "a")
		r.board.Succeed(begun(r.target(t, "a")), time.Second)
		run()
		time.Sleep(59 * time.Second)
		run()
		if got := c.counts(); got != "map[]" {
			t.Errorf("asked %s within the minute of a success", got)
		}
		time.Sleep(2 * time.Second)
		for range 5 {
			if first, waited := run(); first != "a" || waited != 0 {
				t.Errorf("first %s after %s", first, waited)
			}
		}
		time.Sleep(time.Second)
		run()
		if got := c.counts(); got != "map[a:1]" {
			t.Errorf("asked %s", got)
		}
		if a := r.board.View().Channel("a").Availability(); a.Reason != "checked" || time.Until(a.Until) < 50*time.Second {
			t.Errorf("not renewed: %+v", a)
		}
	})
}

func TestTheCheckOfAClientThatLeftGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		c := &checks{answers: map[string]answer{"a": {up: true, after: time.Second}}, asked: map[string]int{}}
		r.checker = c.check
		r.selector = always(r.tiers(t, []string{"a"}))
		p := r.pipeline(t, chooseStep(), precheckStep())
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		p.Run(ctx, request())
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if r.board.View().Channel("a").Availability() != nil {
			t.Error("a client that left says something about the channel")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !r.board.View().Channel("a").Known() {
			t.Error("the check ended with its client")
		}
	})
}

// Several targets of one channel are one check, and leave room for others.
func TestTheTopIsOfDifferentChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b")
		r.cfg.Channels[0].Models = []string{"m", "n", "o"}
		r.cfg.Models = []*config.Model{{Name: "m", Any: []string{"n", "o"}}}
		r.board.Apply(r.cfg)
		c := &checks{answers: map[string]answer{"b": {up: true}}, asked: map[string]int{}}
		r.checker = c.check
		var plan sdk.Plan
		for _, x := range r.board.View().Targets {
			plan = plan.Then(sdk.Candidate{Ref: x.Ref})
		}
		r.selector = always(plan)
		step := precheckStep()
		step.Top = 2
		v := r.pipeline(t, chooseStep(), step).Run(context.Background(), request())
		if got := order(v.Walk); got[0] != "b" {
			t.Errorf("went %q, want the only channel that is up first", got)
		}
		time.Sleep(time.Minute)
		if got := c.counts(); got != "map[a:1 b:1]" {
			t.Errorf("asked %s", got)
		}
	})
}

// A check that was under way when a request succeeded is older than that.
func TestALateCheckDoesNotUndoASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _, run := checking(t, nil, "a", "b")
		r.up("b")
		go run()
		time.Sleep(time.Second)
		r.board.Succeed(begun(r.target(t, "a")), time.Second)
		time.Sleep(time.Minute)
		if !r.board.View().Channel("a").Known() {
			t.Error("a silent check outweighs an answered request")
		}
	})
}

// What a check says is persisted nowhere and carried over by the board, which
// is also what the next pipeline after a reload reads.
func TestACheckIsOnTheBoard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, c, run := checking(t, map[string]answer{"a": {up: true}}, "a")
		run()
		r.board.Apply(r.cfg)
		if _, waited := run(); waited != 0 || c.counts() != "map[a:1]" {
			t.Errorf("after a reload: waited %s, asked %s", waited, c.counts())
		}
	})
}

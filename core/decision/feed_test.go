package decision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
)

// plugin is an observer that keeps what it is told.
type plugin struct {
	mu      sync.Mutex
	batches []string
	counts  map[string]int
	fail    func() error // asked before a batch is taken
}

func (p *plugin) observe(_ context.Context, records [][]byte) error {
	if p.fail != nil {
		if err := p.fail(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, r := range records {
		var d decision.Decision
		if err := json.Unmarshal(r, &d); err != nil {
			return err
		}
		if d.Prompt != nil {
			d.ID += string(d.Prompt)
		}
		ids = append(ids, d.ID)
	}
	p.batches = append(p.batches, strings.Join(ids, " "))
	return nil
}

func (p *plugin) count(result string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = make(map[string]int)
	}
	p.counts[result] += n
}

// seen is what it was told so far, and what was counted.
func (p *plugin) seen() ([]string, map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.batches), maps.Clone(p.counts)
}

func (p *plugin) feed(prompts bool) *decision.Feed {
	return decision.NewFeed(decision.FeedOptions{
		Config:  &config.Observer{Name: "x", Sample: 1, Batch: 3, Interval: time.Second, Queue: 5, Timeout: time.Second, MaxPrompt: 100},
		Observe: p.observe, Prompts: prompts, Count: p.count, Log: hclog.NewNullLogger(),
	})
}

func told(f *decision.Feed, ids ...string) {
	for _, id := range ids {
		f.Follower().Take(&decision.Decision{ID: id})
	}
}

// A provider may list a price of any size, and what comes of that is a number no
// more: the record is lost, and nothing else.
func TestFeedGoesOnWhereARecordCanNotBeWritten(t *testing.T) {
	t.Parallel()
	p := &plugin{}
	f := p.feed(false)
	told(f, "a")
	f.Follower().Take(&decision.Decision{ID: "b", Outcome: decision.Outcome{Cost: new(math.Inf(1))}})
	told(f, "c")
	f.Follower().Take(&decision.Decision{ID: "d", Outcome: decision.Outcome{Cost: new(math.Inf(1))}})
	f.Close(t.Context())
	batches, counts := p.seen()
	if got := fmt.Sprintf("%q %v", batches, counts); got != `["a c"] map[failed:2 taken:2]` {
		t.Errorf("got %s", got)
	}
}

func TestFeedHandsOnInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &plugin{}
		f := p.feed(false)
		told(f, "a", "b", "c", "d") // a whole batch, at once
		synctest.Wait()
		if got, _ := p.seen(); fmt.Sprint(got) != "[a b c]" {
			t.Errorf("at once: %s", got)
		}
		time.Sleep(999 * time.Millisecond)
		told(f, "e")
		synctest.Wait()
		if got, _ := p.seen(); len(got) != 1 {
			t.Errorf("too early: %q", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		told(f, "f")
		f.Close(t.Context()) // what waits goes first
		told(f, "late")
		batches, counts := p.seen()
		if got := fmt.Sprintf("%q %v", batches, counts); got != `["a b c" "d e" "f"] map[dropped:1 taken:6]` {
			t.Errorf("got %s", got)
		}
	})
}

func TestFeedDropsWhatItHasNoRoomFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		p := &plugin{fail: func() error { <-slow; return nil }}
		f := p.feed(false)
		for i := range 20 {
			told(f, fmt.Sprint(i))
			synctest.Wait()
		}
		close(slow)
		f.Close(t.Context())
		batches, counts := p.seen()
		if got := fmt.Sprintf("%q %v", batches, counts); got != `["0 1 2" "3 4"] map[dropped:15 taken:5]` {
			t.Errorf("got %s", got)
		}
	})
}

func TestFeedOfAPluginThatFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		err   error
		times int
		want  string
	}{
		{name: "refuses", err: errors.New("disk full"), times: 1, want: `["d"] map[failed:3 taken:1]`},
		{name: "is back in time", err: status.Error(codes.Unavailable, "restarting"), times: 200, want: `["a b c" "d"] map[taken:4]`},
		{name: "is down for long", err: status.Error(codes.Unavailable, "quarantined"), times: 302, want: `["d"] map[failed:3 taken:1]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				left := tc.times
				p := &plugin{fail: func() error {
					if left--; left >= 0 {
						return tc.err
					}
					return nil
				}}
				f := p.feed(false)
				told(f, "a", "b", "c")
				time.Sleep(2 * time.Minute)
				told(f, "d")
				f.Close(t.Context())
				batches, counts := p.seen()
				if got := fmt.Sprintf("%q %v", batches, counts); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			})
		})
	}
}

// A plugin that hangs does not hold up the end.
func TestFeedClosesInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		p := &plugin{fail: func() error { <-stuck; return nil }}
		f := p.feed(false)
		told(f, "a")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		f.Close(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		close(stuck)
	})
}

func TestFeedAsksForPromptsOnlyByGrant(t *testing.T) {
	t.Parallel()
	for granted, want := range map[bool]int64{false: 0, true: 100} {
		f := (&plugin{}).feed(granted)
		if got := f.Follower().Prompts; got != want {
			t.Errorf("granted %t: %d bytes", granted, got)
		}
		f.Close(t.Context())
	}
}

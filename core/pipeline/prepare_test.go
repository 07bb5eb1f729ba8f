package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// preparing is a rig whose adapter counts its calls.
func preparing(channels ...string) (*rig, *atomic.Int64, *Preparer, func(change func(*sdk.Prepared) error)) {
	r := newRig(channels...)
	calls := new(atomic.Int64)
	answer := func(*sdk.Prepared) error { return nil }
	r.adapter = func(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
		n := calls.Add(1)
		p := sdk.Prepared{URL: fmt.Sprintf("%s/%s?stream=%t&n=%d", c.BaseURL, e, stream, n), Model: model}
		err := answer(&p)
		return p, err
	}
	r.cfg.Pipelines = []*config.Pipeline{
		{Steps: []*config.Step{callStep()}},
		{Steps: []*config.Step{{Kind: sdk.KindSelector, Timeout: time.Hour}, {Kind: sdk.KindAdapter, Timeout: 200 * time.Millisecond}}},
	}
	return r, calls, preparerOf(r.cfg, r.plugins), func(change func(*sdk.Prepared) error) { answer = change }
}

func TestPreparedIsLeased(t *testing.T) {
	t.Parallel()
	r, calls, p, _ := preparing("a", "b")
	a, b := r.board.View().Channel("a"), r.board.View().Channel("b")
	first, err := p.Prepare(context.Background(), a, "m", sdk.Chat, true)
	if err != nil || first.URL != "https://a/v1/chat?stream=true&n=1" || first.Model != "m" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if again, _ := p.Prepare(context.Background(), a, "m", sdk.Chat, true); again != first {
		t.Error("asked again for the same")
	}
	for i, ask := range []func() (*sdk.Prepared, error){
		func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), a, "m", sdk.Chat, false) },
		func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), a, "n", sdk.Chat, true) },
		func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), a, "m", sdk.Embeddings, true) },
		func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), b, "m", sdk.Chat, true) },
	} {
		if _, err := ask(); err != nil || calls.Load() != int64(i+2) {
			t.Errorf("question %d: %v, %d calls", i, err, calls.Load())
		}
	}
	// A 401 at a: its answers turned out wrong, b's did not.
	n := calls.Load()
	p.Forget(a)
	p.Prepare(context.Background(), b, "m", sdk.Chat, true)
	if calls.Load() != n {
		t.Error("another channel's answer was forgotten")
	}
	if anew, _ := p.Prepare(context.Background(), a, "m", sdk.Chat, true); anew == first || calls.Load() != n+1 {
		t.Error("not forgotten")
	}
	// A new configuration is another question, also of a channel by that name.
	next, c := *r.cfg, *a.Config
	next.Channels = []*config.Channel{&c}
	r.board.Apply(&next)
	p.Prepare(context.Background(), r.board.View().Channel("a"), "m", sdk.Chat, true)
	if calls.Load() != n+2 {
		t.Error("the answer for an old configuration is used for the new one")
	}
}

func TestPreparedHoldsForHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, calls, p, answer := preparing("a")
		a := r.board.View().Channel("a")
		ask := func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), a, "m", sdk.Chat, true) }
		first, _ := ask()
		time.Sleep(59 * time.Minute)
		ask()
		if calls.Load() != 1 {
			t.Errorf("%d calls in an hour", calls.Load())
		}
		answer(func(*sdk.Prepared) error { return errors.New("broken") })
		time.Sleep(2 * time.Minute)
		for range 3 { // renewed behind, which fails
			if got, err := ask(); got != first || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
			synctest.Wait()
		}
		if calls.Load() != 2 {
			t.Errorf("%d calls", calls.Load())
		}
		time.Sleep(48 * time.Hour)
		for range 2 { // asked, then what is remembered of it
			if got, err := ask(); got != first || err != nil {
				t.Errorf("after its end, with a broken adapter: %v, %v", got, err)
			}
		}
		if calls.Load() != 3 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

func TestAnAdapterThatRestartsIsAskedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		code  codes.Code
		back  time.Duration // when the adapter is back
		fails bool
		took  time.Duration
	}{
		{name: "back soon", code: codes.Unavailable, back: 12 * time.Millisecond, took: 15 * time.Millisecond},
		// The longest time-out of the call steps is 1 s.
		{name: "not back", code: codes.Unavailable, back: time.Hour, fails: true, took: time.Second},
		{name: "another error", code: codes.InvalidArgument, back: time.Hour, fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, _, p, answer := preparing("a")
				begin := time.Now()
				answer(func(*sdk.Prepared) error {
					if time.Since(begin) < tt.back {
						return status.Error(tt.code, "down")
					}
					return nil
				})
				_, err := p.Prepare(context.Background(), r.board.View().Channel("a"), "m", sdk.Chat, true)
				if failed := err != nil; failed != tt.fails || time.Since(begin) != tt.took {
					t.Errorf("%v after %s", err, time.Since(begin))
				}
				if failed := p.counts.failed.Load() == 1; failed != tt.fails {
					t.Errorf("%d counted", p.counts.failed.Load())
				}
			})
		})
	}
}

// An adapter is asked once what its provider does not have, not each second.
func TestUnsupportedIsLeased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, calls, p, answer := preparing("a")
		answer(func(*sdk.Prepared) error { return sdk.Unsupported("has no embeddings") })
		for range 3 {
			_, err := p.Prepare(context.Background(), r.board.View().Channel("a"), "m", sdk.Embeddings, false)
			if !sdk.IsUnsupported(err) {
				t.Errorf("got %v", err)
			}
			time.Sleep(10 * time.Minute)
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls for one answer", calls.Load())
		}
	})
}

func TestMintedTokens(t *testing.T) {
	t.Parallel()
	mint := func(life time.Duration) func(*sdk.Prepared) error {
		return func(p *sdk.Prepared) error {
			p.Auth = sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer x", Expires: time.Now().Add(life)}
			return nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r, calls, p, answer := preparing("a")
		a := r.board.View().Channel("a")
		ask := func() (*sdk.Prepared, error) { return p.Prepare(context.Background(), a, "m", sdk.Chat, true) }
		// Its lease is an hour by default, its token is good for ten minutes.
		answer(mint(10 * time.Minute))
		first, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			time.Sleep(time.Minute)
			got, err := ask()
			if err != nil || !time.Now().Before(got.Auth.Expires) {
				t.Fatalf("a token that has run out: %v, %v", got, err)
			}
			synctest.Wait()
		}
		if n := calls.Load(); n < 6 || n > 10 {
			t.Errorf("%d tokens in an hour", n)
		}
		// It dies with the process that made it.
		last, _ := ask()
		r.epoch.Add(1)
		if got, _ := ask(); got == last || got == first {
			t.Error("the token of a process that has gone")
		}
		// Where the adapter gives no new one, an old one is no answer.
		answer(func(*sdk.Prepared) error { return errors.New("broken") })
		time.Sleep(time.Hour)
		if _, err := ask(); err == nil {
			t.Error("a token that has run out is used")
		}
	})
}

func TestNoAdapter(t *testing.T) {
	t.Parallel()
	r, _, p, _ := preparing("a")
	next, c := *r.cfg, *r.cfg.Channels[0]
	c.Provider = &config.Provider{Name: "other", Adapter: &config.Plugin{Kind: sdk.KindAdapter, Name: "other"}}
	next.Channels = []*config.Channel{&c}
	r.board.Apply(&next)
	_, err := p.Prepare(context.Background(), r.board.View().Channel("a"), "m", sdk.Chat, true)
	if err == nil || err.Error() != "channel a: its adapter is not running" {
		t.Errorf("got %v", err)
	}
}

func BenchmarkPrepare(b *testing.B) {
	r, _, p, _ := preparing("a")
	a, ctx := r.board.View().Channel("a"), context.Background()
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := p.Prepare(ctx, a, "m", sdk.Chat, true); err != nil {
			b.Fatal(err)
		}
	}
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// counted counts a selector's calls and keeps what it was last asked.
type counted struct {
	calls atomic.Int64
	mu    sync.Mutex
	facts sdk.Request
	live  []host.Live
	gen   *host.Generation
	err   error
}

func (c *counted) over(answer func() sdk.Plan) selector {
	return func(_ context.Context, g *host.Generation, r sdk.Request, live []host.Live) (sdk.Plan, error) {
		c.calls.Add(1)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.facts, c.live, c.gen = r, live, g
		return answer(), c.err
	}
}

// A lease is used again exactly where the facts that the plugin reads are equal.
func TestFactsReadAreTheKey(t *testing.T) {
	t.Parallel()
	at := time.Now()
	changes := map[sdk.Fact]func(q *Request){
		sdk.FactEndpoint:         func(q *Request) { q.Facts.Endpoint = sdk.Embeddings },
		sdk.FactStream:           func(q *Request) { q.Facts.Stream = true },
		sdk.FactSize:             func(q *Request) { q.Facts.Size = 5000 },
		sdk.FactTokens:           func(q *Request) { q.Facts.Tokens = 5000 },
		sdk.FactTools:            func(q *Request) { q.Facts.Tools = true },
		sdk.FactImages:           func(q *Request) { q.Facts.Images = true },
		sdk.FactJSON:             func(q *Request) { q.Facts.JSON = true },
		sdk.FactKey:              func(q *Request) { q.Facts.Key = "other" },
		sdk.FactRegion:           func(q *Request) { q.Facts.Region = "eu" },
		sdk.FactPrefix:           func(q *Request) { q.Facts.Prefix = 99 },
		sdk.FactNow:              func(q *Request) { q.Start = q.Start.Add(time.Minute) },
		sdk.HeaderFact("x-team"): func(q *Request) { q.Header.Set("X-Team", "b") },
	}
	for _, fact := range append(slices.Clone(sdk.Facts), sdk.HeaderFact("x-team")) {
		change, ok := changes[fact]
		if fact == sdk.FactModel {
			continue // every lease is for one: see the next test
		}
		if !ok {
			t.Fatalf("a new fact, %s: is it in the key?", fact)
		}
		for _, read := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s read %t", fact, read), func(t *testing.T) {
				t.Parallel()
				r, asked := newRig("a"), &counted{}
				for f := range changes { // all others, or this one alone
					if (f == fact) == read {
						r.manifest.Reads = append(r.manifest.Reads, f)
					}
				}
				r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
				step := chooseStep()
				step.Fresh, step.Headers = time.Hour, []string{"x-team"}
				p := r.pipeline(t, step)
				ask := func(change func(q *Request)) string {
					q := request()
					q.Start, q.Header = at, http.Header{"X-Team": {"a"}}
					q.Facts.Size, q.Facts.Tokens, q.Facts.Key = 100, 100, "mine"
					change(q)
					v := p.Run(context.Background(), q)
					if v.Reject != nil {
						t.Fatal(v.Reject)
					}
					return v.Choice.Source
				}
				ask(func(*Request) {})
				if got := ask(func(*Request) {}); got != "fresh" {
					t.Fatalf("the same request again: %s", got)
				}
				want := map[bool]string{true: "asked", false: "fresh"}[read]
				if got := ask(change); got != want {
					t.Errorf("after a change: %s, want %s", got, want)
				}
			})
		}
	}
}

func TestModelAndFallbacksAreInTheKey(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	r.cfg.Channels[1].Models = []string{"n"}
	r.board.Apply(r.cfg)
	r.selector = asked.over(func() sdk.Plan {
		return sdk.Plan{Tiers: []sdk.Tier{{Picks: []sdk.Pick{{Candidate: sdk.Candidate{Ref: asked.live[0].Ref}}}}}}
	})
	p := r.pipeline(t, chooseStep())
	for i, q := range []*Request{
		{Facts: sdk.Request{Model: "m"}}, {Facts: sdk.Request{Model: "n"}},
		{Facts: sdk.Request{Model: "m"}, Fallbacks: []string{"n"}}, {Facts: sdk.Request{Model: "m"}, Fallbacks: []string{"nobody"}},
	} {
		q.Start = time.Now()
		for range 2 {
			p.Run(context.Background(), q)
		}
		if n := asked.calls.Load(); n != int64(i+1) {
			t.Errorf("%d calls after question %d", n, i+1)
		}
	}
}

func TestAPluginGetsOnlyWhatItReads(t *testing.T) {
	t.Parallel()
	full := func() *Request {
		return &Request{
			Facts: sdk.Request{
				Model: "m", Endpoint: sdk.Chat, Stream: true, Size: 1000, Tokens: 257, Tools: true, Images: true, JSON: true,
				Key: "team", Region: "eu", Prefix: 7,
			},
			Header: http.Header{"X-Team": {"blue"}, "Authorization": {"Bearer secret"}},
			Start:  time.Date(2026, 7, 1, 12, 30, 59, 0, time.FixedZone("", 3600)),
		}
	}
	tests := []struct {
		name  string
		reads []sdk.Fact
		want  sdk.Request
	}{
		{name: "nothing"},
		{name: "a header that the step does not allow", reads: []sdk.Fact{sdk.HeaderFact("authorization")}},
		{name: "a header", reads: []sdk.Fact{sdk.HeaderFact("x-team")}, want: sdk.Request{Headers: map[string]string{"x-team": "blue"}}},
		{name: "numbers", reads: []sdk.Fact{sdk.FactSize, sdk.FactTokens}, want: sdk.Request{Size: 1024, Tokens: 512}},
		{
			name: "all", reads: sdk.Facts, want: sdk.Request{
				Model: "m", Endpoint: sdk.Chat, Stream: true, Size: 1024, Tokens: 512, Tools: true, Images: true, JSON: true,
				Key: "team", Region: "eu", Prefix: 7, Now: time.Date(2026, 7, 1, 11, 30, 0, 0, time.UTC),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, asked := newRig("a"), &counted{}
			r.manifest.Reads = tt.reads
			r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
			step := chooseStep()
			step.Headers = []string{"x-team"}
			r.pipeline(t, step).Run(context.Background(), full())
			if fmt.Sprintf("%+v", asked.facts) != fmt.Sprintf("%+v", tt.want) {
				t.Errorf("got  %+v\nwant %+v", asked.facts, tt.want)
			}
		})
	}
}

func TestNumbersAreRoundedUpToPowersOfTwo(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]int64{-5: 0, 0: 0, 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 1023: 1024, 1024: 1024, 1025: 2048, 1 << 40: 1 << 40} {
		if got := roundUp(n); got != want {
			t.Errorf("%d is rounded up to %d, want %d", n, got, want)
		}
		if log2(n) != log2(want) {
			t.Errorf("%d and %d have different keys", n, want)
		}
	}
}

// The body is in a pooled buffer: the next request writes over it.
func TestNothingKeptPointsIntoTheBody(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	r.cfg.Channels[1].Models = []string{"n"}
	r.board.Apply(r.cfg)
	r.manifest.Reads = append(slices.Clone(sdk.Facts), sdk.HeaderFact("x-team"))
	r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
	step := chooseStep()
	step.Fresh, step.Headers = time.Hour, []string{"x-team"}
	p := r.pipeline(t, step)

	body := []byte("m n eu blue")
	text := func(from, to int) string { return unsafe.String(unsafe.SliceData(body[from:to]), to-from) }
	over := &Request{
		Facts:     sdk.Request{Model: text(0, 1), Region: text(4, 6)},
		Fallbacks: []string{text(2, 3)}, Body: body,
		Header: http.Header{"X-Team": {text(7, 11)}}, Start: time.Now(),
	}
	v := p.Run(context.Background(), over)
	for i := range body {
		body[i] = 'z'
	}
	if v.Choice.Set.Model != "m" || asked.facts.Model != "m" || asked.facts.Region != "eu" || asked.facts.Headers["x-team"] != "blue" {
		t.Errorf("the set is for %q, the plugin was asked %+v", v.Choice.Set.Model, asked.facts)
	}
	again := &Request{
		Facts: sdk.Request{Model: "m", Region: "eu"}, Fallbacks: []string{"n"},
		Header: http.Header{"X-Team": {"blue"}}, Start: over.Start,
	}
	if v := p.Run(context.Background(), again); v.Choice.Source != "fresh" {
		t.Errorf("the same request again: %s", v.Choice.Source)
	}
}

func TestAnUnknownModelIsRejected(t *testing.T) {
	t.Parallel()
	r := newRig("a")
	r.selector = always(r.tiers(t, []string{"a"}))
	p := r.pipeline(t, chooseStep(), precheckStep(), callStep())
	q := request()
	q.Facts.Model = "gpt-9"
	v := p.Run(context.Background(), q)
	if v.Reject == nil || v.Reject.Status != 404 || v.Reject.Code != "model_not_found" || v.Reject.Param != "model" {
		t.Errorf("got %+v", v.Reject)
	}
}

func TestChooseOnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		onError config.OnError
		leased  bool // a plan was leased, which has ended
		source  string
		first   string
		reject  bool
	}{
		{name: "stale, with a lease", onError: config.OnErrorStale, leased: true, source: "failed lease", first: "b"},
		{name: "stale, without", onError: config.OnErrorStale, source: "declared", first: "a"},
		{name: "skip, with a lease", onError: config.OnErrorSkip, leased: true, source: "declared", first: "a"},
		{name: "reject", onError: config.OnErrorReject, leased: true, reject: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, asked := newRig("a", "b"), &counted{}
				r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"b"}, []string{"a"}) })
				step := chooseStep()
				step.OnError = tt.onError
				p := r.pipeline(t, step)
				if tt.leased {
					p.Run(context.Background(), request())
					time.Sleep(2 * time.Minute)
				}
				asked.err = errors.New("down")
				for range 2 { // the call, then what is remembered of it
					v := p.Run(context.Background(), request())
					if tt.reject {
						if v.Reject == nil || v.Reject.Status != 503 || v.Reject.Message != `The router's step "choose" gave no answer. Try again in a moment.` {
							t.Errorf("got %+v", v.Reject)
						}
						continue
					}
					if v.Reject != nil || v.Choice.Source != tt.source {
						t.Fatalf("got %q, %v; want %q", v.Choice.Source, v.Reject, tt.source)
					}
					if got := order(v.Walk); got[0] != tt.first || len(got) != 2 {
						t.Errorf("went %q, want %s first", got, tt.first)
					}
				}
				want := int64(1)
				if tt.leased {
					want = 2
				}
				if n := asked.calls.Load(); n != want {
					t.Errorf("%d calls, want %d", n, want)
				}
				if s := p.Stats()[0]; s.Failed != 2 || s.Asked != want {
					t.Errorf("stats %+v", s)
				}
				// One second later the plugin is back.
				asked.err = nil
				time.Sleep(time.Second)
				if v := p.Run(context.Background(), request()); v.Choice.Source != "asked" {
					t.Errorf("after a second: %q", v.Choice.Source)
				}
			})
		})
	}
}

func TestAPlanThatIsRefusedIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig("a")
	r.selector = always(sdk.Plan{})
	if v := r.pipeline(t, chooseStep()).Run(context.Background(), request()); v.Choice.Source != "declared" {
		t.Errorf("an empty plan: %q", v.Choice.Source)
	}
}

func TestASlowSelectorTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		r.selector = func(ctx context.Context, _ *host.Generation, _ sdk.Request, _ []host.Live) (sdk.Plan, error) {
			<-ctx.Done()
			return sdk.Plan{}, ctx.Err()
		}
		step := chooseStep()
		p := r.pipeline(t, step)
		begin := time.Now()
		if v := p.Run(context.Background(), request()); v.Choice.Source != "declared" || time.Since(begin) != step.Timeout {
			t.Errorf("%q after %s", v.Choice.Source, time.Since(begin))
		}
		begin = time.Now()
		p.Run(context.Background(), request())
		if took := time.Since(begin); took != 0 {
			t.Errorf("the next request waited %s", took)
		}
		// One whose client has gone does not wait at all.
		time.Sleep(time.Minute)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		begin = time.Now()
		if v := p.Run(ctx, request()); v.Reject == nil || time.Since(begin) != 0 {
			t.Errorf("a client that has gone: %+v after %s", v.Reject, time.Since(begin))
		}
		time.Sleep(time.Minute) // what is under way ends
		reject := chooseStep()
		reject.OnError = config.OnErrorReject
		if v := r.pipeline(t, reject).Run(context.Background(), request()); v.Reject == nil || v.Reject.Message != `The router's step "choose" took too long. Try again in a moment.` {
			t.Errorf("reject says %+v", v.Reject)
		}
	})
}

// Bans and figures are applied at each try: they end no lease.
func TestWhatHappensToTargetsEndsNoLease(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}, []string{"b"}) })
	p := r.pipeline(t, chooseStep())
	first := func() string {
		v := p.Run(context.Background(), request())
		return order(v.Walk)[0]
	}
	if got := first(); got != "a" {
		t.Fatal(got)
	}
	r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Quota})
	if got := first(); got != "b" || asked.calls.Load() != 1 {
		t.Errorf("after a ban: %s first, %d calls", got, asked.calls.Load())
	}
}

func TestANewViewEndsTheLeases(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
	p := r.pipeline(t, chooseStep())
	p.Run(context.Background(), request())
	old := asked.gen
	p.Run(context.Background(), request())
	next := *r.cfg
	heavier := *r.cfg.Channels[0]
	heavier.Weight = 2
	next.Channels = []*config.Channel{&heavier, r.cfg.Channels[1]}
	r.board.Apply(&next)
	if v := p.Run(context.Background(), request()); v.Choice.Source != "asked" || asked.calls.Load() != 2 {
		t.Errorf("after a reload: %q, %d calls", v.Choice.Source, asked.calls.Load())
	}
	if asked.gen == old || asked.gen.ID != r.board.View().Generation || len(asked.gen.Candidates) != 2 {
		t.Errorf("the plugin was asked about generation %d", asked.gen.ID)
	}
	c := p.steps[0].step.(*choose)
	n := 0
	for range c.primary.leases.all {
		n++
	}
	if n != 1 {
		t.Errorf("%d leases, want none of the old view, which they would keep in memory", n)
	}
}

func TestTheSelectorSeesLiveFigures(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	r.cfg.Channels[1].Models = []string{"n"}
	r.board.Apply(r.cfg)
	r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
	r.board.Succeed(begun(r.target(t, "b")), 30*time.Millisecond)
	r.target(t, "b").Begin(time.Now())
	q := request()
	q.Fallbacks = []string{"n"}
	r.pipeline(t, chooseStep()).Run(context.Background(), q)
	want := []host.Live{{Ref: 0}, {Ref: 1, Fallback: 1, Health: sdk.HealthUp, TTFT: 30 * time.Millisecond, InFlight: 1}}
	if !slices.Equal(asked.live, want) {
		t.Errorf("got  %+v\nwant %+v", asked.live, want)
	}
}

func TestAThousandRequestsMakeOneCall(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b"), &counted{}
	plan := r.tiers(t, []string{"a", "b"})
	r.selector = asked.over(func() sdk.Plan { return plan })
	step := chooseStep()
	step.Timeout = 10 * time.Second
	p := r.pipeline(t, step)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if v := p.Run(context.Background(), request()); v.Reject != nil || len(order(v.Walk)) != 2 {
				t.Error(v.Reject)
			}
		}()
	}
	wg.Wait()
	if n := asked.calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAPipelineOfAKindThatThereIsNot(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Config: &config.Pipeline{Name: "x", Steps: []*config.Step{{Name: "y", Kind: "oracle"}}}, Log: nullLog})
	if err == nil || err.Error() != `pipeline x: step y has the kind "oracle"` {
		t.Errorf("got %v", err)
	}
}

// What one channel keeps is answered there or nowhere, and nobody is asked.
func TestAPinnedRequestHasOneChannel(t *testing.T) {
	t.Parallel()
	r, asked := newRig("a", "b", "c"), &counted{}
	r.cfg.Channels[1].Models = []string{"m", "n"}
	r.cfg.Channels[2].Models = []string{"n"}
	r.cfg.Models = []*config.Model{{Name: "m", Fallbacks: []string{"n"}}}
	r.board.Apply(r.cfg)
	r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a", "b"}) })
	p := r.pipeline(t, chooseStep(), precheckStep())
	r.up("a", "b", "c")
	for _, tc := range []struct {
		channel string
		want    []string
	}{
		{channel: "a", want: []string{"a"}},
		{channel: "b", want: []string{"b", "b 1"}},
		{channel: "c", want: []string{"c 1"}},
	} {
		q := request()
		q.Channel = tc.channel
		v := p.Run(context.Background(), q)
		if v.Reject != nil || v.Choice.Source != "pinned" || !slices.Equal(order(v.Walk), tc.want) {
			t.Errorf("%s: %+v %s %v, want %v", tc.channel, v.Reject, v.Choice.Source, order(v.Walk), tc.want)
		}
	}
	q := request()
	q.Facts.Model, q.Channel = "n", "a"
	if v := p.Run(context.Background(), q); v.Reject == nil || v.Reject.Status != 400 || v.Reject.Code != "model_not_found" {
		t.Errorf("a model that the channel lacks: %+v", v.Reject)
	}
	if n := asked.calls.Load(); n != 0 {
		t.Errorf("the selector was asked %d times", n)
	}
}

package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func walk(p *Plan, q *Request) (w Walk) {
	w.begin(p, q)
	return w
}

// firsts is how often each channel comes first in n walks.
func firsts(p *Plan, n int) map[string]int {
	got := make(map[string]int)
	for range n {
		w := walk(p, &Request{})
		if t, _, ok := w.Next(time.Now()); ok {
			got[t.Channel.Config.Name]++
		}
	}
	return got
}

func weighted(r *rig, t testing.TB, balance sdk.Balance, weights ...float64) *Plan {
	t.Helper()
	tier := sdk.Tier{Balance: balance}
	for i, w := range weights {
		tier.Picks = append(tier.Picks, pickOf(r, t, string(rune('a'+i)), w))
	}
	p, err := compile(sdk.Plan{Tiers: []sdk.Tier{tier}}, r.set(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWeightedSharesAreExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		balance sdk.Balance
		weights []float64
		walks   int
		want    []int
	}{
		{name: "70 to 30", weights: []float64{70, 30}, walks: 1000, want: []int{700, 300}},
		{name: "0.7 to 0.3", weights: []float64{0.7, 0.3}, walks: 1000, want: []int{700, 300}},
		{name: "1:2:3", weights: []float64{1, 2, 3}, walks: 600, want: []int{100, 200, 300}},
		{name: "0.1 to 0.9", weights: []float64{0.1, 0.9}, walks: 1000, want: []int{100, 900}},
		{name: "0.001 to 0.999", weights: []float64{0.001, 0.999}, walks: 1000, want: []int{1, 999}},
		{name: "equal, and asked for", balance: sdk.Weighted, weights: []float64{1, 1}, walks: 1000, want: []int{500, 500}},
		{name: "zero is one", weights: []float64{0, 3}, walks: 1000, want: []int{250, 750}},
		{name: "thirds", weights: []float64{1.0 / 3, 2.0 / 3}, walks: 999, want: []int{333, 666}},
		{name: "far apart", weights: []float64{1, 1e9}, walks: 1025, want: []int{1, 1024}},
		{name: "beyond all numbers", weights: []float64{math.MaxFloat64, math.MaxFloat64, 1}, walks: 1025, want: []int{512, 512, 1}},
		{name: "tiny", weights: []float64{5e-324, 1e-323}, walks: 1024, want: []int{341, 683}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig("a", "b", "c")
			p := weighted(r, t, tt.balance, tt.weights...)
			got := firsts(p, tt.walks)
			for i, want := range tt.want {
				if name := string(rune('a' + i)); got[name] != want {
					t.Errorf("%s came first %d times, want %d", name, got[name], want)
				}
			}
		})
	}
}

// The pre-check looks ahead at each request. That must not take turns.
func TestALookAheadSeesWhatWillBe(t *testing.T) {
	t.Parallel()
	for _, balance := range []sdk.Balance{sdk.Weighted, sdk.LeastLoad, sdk.HashOf(sdk.FactKey)} {
		t.Run(string(balance), func(t *testing.T) {
			t.Parallel()
			r := newRig("a", "b", "c")
			p := weighted(r, t, balance, 1, 1, 1)
			got := make(map[string]int)
			for i := range 999 {
				w := walk(p, &Request{Facts: sdk.Request{Key: fmt.Sprint(i)}})
				ahead := order(w)
				if real := order(w); !slices.Equal(real, ahead) {
					t.Fatalf("the look ahead said %q, the walk went %q", ahead, real)
				}
				got[ahead[0]]++
			}
			for name, n := range got {
				if n < 333-60 || n > 333+60 {
					t.Errorf("%s came first %d times of 999", name, n)
				}
			}
		})
	}
}

func TestTheTurnsOfOneThatIsOutGoToAllOthers(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b", "c")
	p := weighted(r, t, sdk.Weighted, 1, 1, 2)
	r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Auth})
	got := firsts(p, 3000)
	if got["a"] != 0 || got["b"] < 900 || got["b"] > 1100 {
		t.Errorf("with a out: %v, want about 1 to 2", got)
	}
}

func begun(t *board.Target) *board.Target {
	t.Begin(time.Now())
	return t
}

func TestLeastLoadTakesTheLessLoaded(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b")
	p := weighted(r, t, sdk.LeastLoad, 1, 1)
	got := firsts(p, 1000)
	if got["a"]+got["b"] != 1000 {
		t.Fatalf("got %v", got)
	}
	for range 3 {
		r.target(t, "a").Begin(time.Now())
	}
	if got := firsts(p, 1000); got["b"] != 1000 {
		t.Errorf("beside one with three requests in flight: %v", got)
	}
	// Slow, and nothing in flight, against fast with three: 0.8 s against 4 x 0.1 s.
	a, b := r.target(t, "a"), r.target(t, "b")
	r.board.Succeed(begun(a), 100*time.Millisecond)
	r.board.Succeed(begun(b), 800*time.Millisecond)
	if got := firsts(p, 1000); got["a"] != 1000 {
		t.Errorf("the slow one is preferred: %v", got)
	}
}

func TestLeastLoadAmongMany(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e"}
	r := newRig(names...)
	p := weighted(r, t, "", 1, 1, 1, 1, 1)
	r.target(t, "c").Begin(time.Now())
	got := firsts(p, 5000)
	if got["c"] != 0 {
		t.Errorf("the most loaded of two never wins, but c came first %d times", got["c"])
	}
	for _, name := range []string{"a", "b", "d", "e"} {
		if got[name] < 1000 || got[name] > 1500 {
			t.Errorf("%s came first %d times of 5000", name, got[name])
		}
	}
}

func TestHashIsStickyAndMovesLittle(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b", "c", "d")
	p := weighted(r, t, sdk.HashOf(sdk.FactPrefix), 1, 1, 1, 1)
	where := func(prefix int) string {
		w := walk(p, &Request{Facts: sdk.Request{Prefix: mix(uint64(prefix))}})
		x, _, _ := w.Next(time.Now())
		return x.Channel.Config.Name
	}
	const sessions = 4000
	before, share := make([]string, sessions), make(map[string]int)
	for i := range before {
		before[i] = where(i)
		share[before[i]]++
		if again := where(i); again != before[i] {
			t.Fatalf("session %d goes to %s, then to %s", i, before[i], again)
		}
	}
	for name, n := range share {
		if n < 900 || n > 1100 {
			t.Errorf("%s has %d of %d sessions", name, n, sessions)
		}
	}
	r.board.Fail(begun(r.target(t, "b")), board.Failure{Class: board.Auth})
	to := make(map[string]int)
	for i, was := range before {
		switch now := where(i); {
		case was != "b" && now != was:
			t.Fatalf("session %d moved from %s, which is there, to %s", i, was, now)
		case was == "b":
			to[now]++
		}
	}
	if to["b"] != 0 || to["a"] == 0 || to["c"] == 0 || to["d"] == 0 {
		t.Errorf("the sessions of b went to %v", to)
	}
}

func TestHashByWeight(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b")
	p := weighted(r, t, sdk.HashOf(sdk.FactPrefix), 1, 3)
	got := make(map[string]int)
	for i := range 4000 {
		w := walk(p, &Request{Facts: sdk.Request{Prefix: mix(uint64(i))}})
		x, _, _ := w.Next(time.Now())
		got[x.Channel.Config.Name]++
	}
	if got["a"] < 900 || got["a"] > 1100 {
		t.Errorf("shares %v, want 1 to 3", got)
	}
}

// Every fact can be hashed by: a plan that hashes by one which all requests
// have alike would send them all to one target.
func TestHashOfEveryFact(t *testing.T) {
	t.Parallel()
	base := func() *Request {
		return &Request{Facts: sdk.Request{Model: "m", Endpoint: sdk.Chat}, Header: map[string][]string{}, Start: time.Unix(1e9, 0)}
	}
	other := map[sdk.Fact]func(q *Request){
		sdk.FactModel:            func(q *Request) { q.Facts.Model = "n" },
		sdk.FactEndpoint:         func(q *Request) { q.Facts.Endpoint = sdk.Embeddings },
		sdk.FactStream:           func(q *Request) { q.Facts.Stream = true },
		sdk.FactSize:             func(q *Request) { q.Facts.Size = 1000 },
		sdk.FactTokens:           func(q *Request) { q.Facts.Tokens = 1000 },
		sdk.FactTools:            func(q *Request) { q.Facts.Tools = true },
		sdk.FactImages:           func(q *Request) { q.Facts.Images = true },
		sdk.FactJSON:             func(q *Request) { q.Facts.JSON = true },
		sdk.FactKey:              func(q *Request) { q.Facts.Key = "team" },
		sdk.FactRegion:           func(q *Request) { q.Facts.Region = "eu" },
		sdk.FactPrefix:           func(q *Request) { q.Facts.Prefix = 7 },
		sdk.FactNow:              func(q *Request) { q.Start = q.Start.Add(time.Minute) },
		sdk.HeaderFact("x-team"): func(q *Request) { q.Header.Set("X-Team", "a") },
	}
	for _, f := range append(slices.Clone(sdk.Facts), sdk.HeaderFact("x-team")) {
		change, ok := other[f]
		if !ok {
			t.Fatalf("a new fact, %s: how is it hashed by?", f)
		}
		q, same := base(), base()
		change(q)
		if was := base().hashOf(f); same.hashOf(f) != was || q.hashOf(f) == was {
			t.Errorf("%s: a change does not change the hash, or no change does", f)
		}
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b")
	plan := func(tiers ...sdk.Tier) sdk.Plan { return sdk.Plan{Tiers: tiers} }
	pick := func(weight float64) []sdk.Pick { return []sdk.Pick{pickOf(r, t, "a", weight)} }
	tests := []struct {
		name string
		plan sdk.Plan
		err  string
	}{
		{name: "empty", err: "no picks"},
		{name: "empty tiers", plan: plan(sdk.Tier{}, sdk.Tier{}), err: "no picks"},
		{name: "not offered", plan: plan(sdk.Tier{Picks: []sdk.Pick{{Candidate: sdk.Candidate{Ref: 99}}}}), err: "not offered"},
		{name: "twice", plan: plan(sdk.Tier{Picks: pick(1)}, sdk.Tier{Picks: pick(1)}), err: "in the plan already"},
		{name: "NaN", plan: plan(sdk.Tier{Picks: pick(math.NaN())}), err: "NaN"},
		{name: "infinite", plan: plan(sdk.Tier{Picks: pick(math.Inf(1))}), err: "+Inf"},
		{name: "negative", plan: plan(sdk.Tier{Picks: pick(-1)}), err: "-1"},
		{name: "unknown balance", plan: plan(sdk.Tier{Balance: "fair", Picks: pick(1)}), err: `unknown balance "fair"`},
		{name: "unknown fact", plan: plan(sdk.Tier{Balance: "hash:mood", Picks: pick(1)}), err: `unknown fact "mood"`},
		{
			name: "too many facts", err: "more than 4 facts",
			plan: func() sdk.Plan {
				r := newRig("a", "b", "c", "d", "e")
				var p sdk.Plan
				for i, f := range []sdk.Fact{sdk.FactKey, sdk.FactModel, sdk.FactRegion, sdk.FactPrefix, sdk.FactSize} {
					p.Tiers = append(p.Tiers, sdk.Tier{
						Balance: sdk.HashOf(f), Picks: []sdk.Pick{pickOf(r, t, string(rune('a'+i)), 1)},
					})
				}
				return p
			}(),
		},
	}
	five := newRig("a", "b", "c", "d", "e")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := compile(tt.plan, five.set(t))
			if p != nil || err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v; want an error with %q", p, err, tt.err)
			}
		})
	}
}

func TestWalkOrder(t *testing.T) {
	t.Parallel()
	fail := func(class board.Class, names ...string) func(*rig, *testing.T) {
		return func(r *rig, t *testing.T) {
			for _, name := range names {
				for range 5 {
					r.board.Fail(begun(r.target(t, name)), board.Failure{Class: class})
				}
			}
		}
	}
	tests := []struct {
		name  string
		given func(*rig, *testing.T)
		head  string
		late  []string
		tiers [][]string
		want  []string
	}{
		{name: "tiers", tiers: [][]string{{"c"}, {"a"}, {"b"}}, want: []string{"c", "a", "b"}},
		{name: "a banned one comes last", given: fail(board.Upstream, "a"), tiers: [][]string{{"a"}, {"b"}, {"c"}}, want: []string{"b", "c", "a"}},
		{name: "banned ones keep their order", given: fail(board.Upstream, "b", "a"), tiers: [][]string{{"a"}, {"b"}, {"c"}}, want: []string{"c", "a", "b"}},
		{name: "all banned", given: fail(board.Upstream, "a", "b", "c"), tiers: [][]string{{"a"}, {"b"}, {"c"}}, want: []string{"a", "b", "c"}},
		{name: "a bad key does not come at all", given: fail(board.Auth, "a", "b", "c"), tiers: [][]string{{"a"}, {"b"}, {"c"}}},
		{name: "head first in its tier", head: "c", tiers: [][]string{{"a"}, {"b", "c"}}, want: []string{"a", "c", "b"}},
		{name: "head in the first tier", head: "b", tiers: [][]string{{"a", "b"}, {"c"}}, want: []string{"b", "a", "c"}},
		{name: "a head that was banned since", head: "c", given: fail(board.Upstream, "c"), tiers: [][]string{{"b", "c"}, {"a"}}, want: []string{"b", "a", "c"}},
		{name: "late ones come after all others", head: "c", late: []string{"a"}, tiers: [][]string{{"a"}, {"b"}, {"c"}}, want: []string{"b", "c", "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig("a", "b", "c")
			if tt.given != nil {
				tt.given(r, t)
			}
			p, err := compile(r.tiers(t, tt.tiers...), r.set(t))
			if err != nil {
				t.Fatal(err)
			}
			w := walk(p, request())
			if tt.head != "" {
				w.head = r.target(t, tt.head)
			}
			for _, name := range tt.late {
				w.late = append(w.late, r.target(t, name).Channel)
			}
			if got := order(w); !slices.Equal(got, tt.want) {
				t.Errorf("went %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFallbacksKeepTheirNumber(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b", "c")
	r.cfg.Channels[1].Models = []string{"n1"}
	r.cfg.Channels[2].Models = []string{"n2"}
	r.cfg.Models = []*config.Model{{Name: "m", Fallbacks: []string{"n1", "n2"}}}
	r.board.Apply(r.cfg)
	want := []string{"a", "b 1", "c 2"}
	p, err := compile(r.tiers(t, []string{"a"}, []string{"b"}, []string{"c"}), r.set(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := order(walk(p, request())); !slices.Equal(got, want) {
		t.Errorf("a plan goes %q, want %q", got, want)
	}
	if got := order(walk(declared(r.set(t)), request())); !slices.Equal(got, want) {
		t.Errorf("declared order goes %q, want %q", got, want)
	}
}

func TestAWalkEnds(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("c", i))
	}
	r := newRig(names...)
	got := order(walk(declared(r.set(t)), request()))
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != 16 {
		t.Errorf("%d different targets, want the bound of 16", n)
	}
	var none Walk
	if _, _, ok := none.Next(time.Now()); ok {
		t.Error("a walk without a plan goes somewhere")
	}
}

func TestSpreadIsEven(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(spread([]int{2, 1, 1})); got != "[0 1 2 0]" {
		t.Errorf("2:1:1 goes %s", got)
	}
}

// TestFullOnesComeLast: the next target at once, a doubtful one too, before one
// that has to be waited for; and never one that is out.
func TestFullOnesComeLast(t *testing.T) {
	t.Parallel()
	r := newRig("a", "b", "c", "d")
	for _, c := range r.cfg.Channels {
		c.MaxInFlight = 1
	}
	p, err := compile(sdk.Plan{Tiers: []sdk.Tier{
		{Picks: []sdk.Pick{pickOf(r, t, "a", 1)}}, {Picks: []sdk.Pick{pickOf(r, t, "b", 1)}},
		{Picks: []sdk.Pick{pickOf(r, t, "c", 1)}}, {Picks: []sdk.Pick{pickOf(r, t, "d", 1)}},
	}}, r.set(t))
	if err != nil {
		t.Fatal(err)
	}
	r.board.Fail(begun(r.target(t, "b")), board.Failure{Class: board.RateLimit})
	r.board.Fail(begun(r.target(t, "d")), board.Failure{Class: board.Auth})
	begun(r.target(t, "a"))
	begun(r.target(t, "d"))
	if got := order(walk(p, &Request{})); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("the order is %v, want the free, the doubtful, the full one", got)
	}
}

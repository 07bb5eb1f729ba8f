package smart

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func ready(t testing.TB, change func(*selector)) *selector {
	t.Helper()
	s := newSelector()
	if change != nil {
		change(s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background(), sdk.Setup{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func usd(v float64) *float64 { return &v }

// on makes a candidate as the router would: priority 10, weight 1.
func on(channel string, change func(*sdk.Candidate)) sdk.Candidate {
	c := sdk.Candidate{
		Channel: &sdk.Channel{Name: channel, BaseURL: "https://" + channel + ".example/v1"},
		Model:   "gpt-x", Priority: 10, Weight: 1, Health: sdk.HealthUp,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// shape writes a plan as "a b | c": two tiers, the first of a and b.
func shape(p sdk.Plan) string {
	var tiers []string
	for _, tier := range p.Tiers {
		var names []string
		for _, pick := range tier.Picks {
			names = append(names, pick.Candidate.Channel.Name)
		}
		tiers = append(tiers, strings.Join(names, " "))
	}
	return strings.Join(tiers, " | ")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	prices := func(in, out float64) func(*sdk.Candidate) {
		return func(c *sdk.Candidate) { c.InputPrice, c.OutputPrice = usd(in), usd(out) }
	}
	tests := []struct {
		name       string
		config     func(*selector)
		tokens     int64
		candidates []sdk.Candidate
		want       string
	}{
		{
			name:       "equals share one tier, in file order",
			candidates: []sdk.Candidate{on("b", nil), on("a", nil), on("c", nil)},
			want:       "b a c",
		},
		{
			name: "weights do not split a tier",
			candidates: []sdk.Candidate{
				on("a", func(c *sdk.Candidate) { c.Weight = 9 }), on("b", nil),
			},
			want: "a b",
		},
		{
			name: "a lower priority goes first, whatever the score",
			candidates: []sdk.Candidate{
				on("a", prices(0, 0)),
				on("b", func(c *sdk.Candidate) { c.Priority = 5; c.TTFT = time.Minute }),
				on("c", func(c *sdk.Candidate) { c.Priority = -1 }),
			},
			want: "c | b | a",
		},
		{
			name: "the model asked for goes before its fallbacks, whatever their priority",
			candidates: []sdk.Candidate{
				on("second", func(c *sdk.Candidate) { c.Fallback = 2; c.Priority = 0 }),
				on("first", func(c *sdk.Candidate) { c.Fallback = 1; c.Priority = 1 }),
				on("same", nil),
			},
			want: "same | first | second",
		},
		{
			name: "latency alone is left to the router's balance",
			candidates: []sdk.Candidate{
				on("slow", func(c *sdk.Candidate) { c.TTFT = 900 * time.Millisecond }),
				on("fast", func(c *sdk.Candidate) { c.TTFT = 100 * time.Millisecond }),
			},
			want: "fast slow",
		},
		{
			name: "what cannot take the request comes last but stays",
			candidates: []sdk.Candidate{
				on("down", func(c *sdk.Candidate) { c.Health = sdk.HealthDown }),
				on("wrong", func(c *sdk.Candidate) { c.Health = sdk.HealthMisconfigured }),
				on("short", func(c *sdk.Candidate) { c.ContextTokens = 4096 }),
				on("failing", func(c *sdk.Candidate) { c.ErrorRate = 0.21 }),
				on("fallback", func(c *sdk.Candidate) { c.Fallback = 1 }),
				on("new", func(c *sdk.Candidate) { c.Health = sdk.HealthUnknown }),
				on("borderline", func(c *sdk.Candidate) { c.ErrorRate = 0.2 }),
			},
			tokens: 8192,
			want:   "new borderline | fallback | failing | short | wrong | down",
		},
		{
			name:       "only bad ones are better than none",
			candidates: []sdk.Candidate{on("down", func(c *sdk.Candidate) { c.Health = sdk.HealthDown })},
			want:       "down",
		},
		{
			name: "a context that may do is not too short: tokens are rounded up",
			candidates: []sdk.Candidate{
				on("asked", func(c *sdk.Candidate) { c.ContextTokens = 128_000 }),
				on("large", func(c *sdk.Candidate) { c.ContextTokens = 1 << 20; c.Fallback = 1 }),
			},
			tokens: 131_072,
			want:   "asked | large",
		},
		{
			name:       "balanced: the cheaper goes first",
			candidates: []sdk.Candidate{on("dear", prices(3, 15)), on("cheap", prices(.15, .6))},
			want:       "cheap | dear",
		},
		{
			name:       "about the same price is one tier",
			candidates: []sdk.Candidate{on("a", prices(3, 15)), on("b", prices(2.9, 14.8))},
			want:       "b a",
		},
		{
			name:   "free first",
			config: func(s *selector) { s.Strategy = "free_first" },
			candidates: []sdk.Candidate{
				on("cheap", prices(.01, .01)),
				on("tagged", func(c *sdk.Candidate) { c.Channel.Tags = []string{"Free"}; c.TTFT = time.Second }),
				on("named", func(c *sdk.Candidate) { c.Model = "x:free"; c.TTFT = time.Second }),
				on("zero", prices(0, 0)),
			},
			want: "zero tagged named | cheap",
		},
		{
			name:   "local first",
			config: func(s *selector) { s.Strategy = "local_first" },
			candidates: []sdk.Candidate{
				on("cloud", prices(0, 0)),
				on("box", func(c *sdk.Candidate) { c.Channel.BaseURL = "http://127.0.0.1:11434/v1" }),
			},
			want: "box | cloud",
		},
		{
			name:   "speed",
			config: func(s *selector) { s.Strategy = "speed_optimized" },
			candidates: []sdk.Candidate{
				on("slow", func(c *sdk.Candidate) { c.TTFT = 3 * time.Second }),
				on("fast", func(c *sdk.Candidate) { c.TTFT = 200 * time.Millisecond }),
				on("new", nil),
			},
			want: "new fast | slow",
		},
		{
			name:   "quality by size and rating",
			config: func(s *selector) { s.Strategy = "quality_optimized"; s.Ratings = []rating{{"best-*", 1}, {"*", 0}} },
			candidates: []sdk.Candidate{
				on("small", func(c *sdk.Candidate) { c.Model = "m-7b" }),
				on("large", func(c *sdk.Candidate) { c.Model = "m-405b" }),
				on("rated", func(c *sdk.Candidate) { c.Model = "best-405b" }),
			},
			want: "rated | large | small",
		},
		{
			name:   "own weights, of which only proportions matter",
			config: func(s *selector) { s.Weights = []weights{{Reliability: 40, Cost: 40}} },
			candidates: []sdk.Candidate{
				on("dear", prices(10, 10)), on("flaky", func(c *sdk.Candidate) { prices(0, 0)(c); c.ErrorRate = .2 }), on("best", prices(0, 0)),
			},
			want: "best flaky | dear",
		},
		{
			name:       "no tolerance: scores alone decide, to the last digit",
			config:     func(s *selector) { s.Tolerance = 0; s.Strategy = "cost_optimized" },
			candidates: []sdk.Candidate{on("b", prices(1.0000001, 1)), on("a", prices(1, 1)), on("c", prices(1, 1))},
			want:       "a c | b",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := ready(t, tt.config).Select(context.Background(), sdk.Request{Model: "gpt-x", Tokens: tt.tokens}, tt.candidates)
			if err != nil {
				t.Fatal(err)
			}
			if got := shape(p); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !p.Lease.IsZero() {
				t.Errorf("lease = %v, want the step's", p.Lease)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		candidate sdk.Candidate
		want      string
	}{
		{"nothing known", on("a", nil), "balanced 0.62"},
		{"all known", on("a", func(c *sdk.Candidate) {
			c.Model, c.InputPrice, c.OutputPrice = "m-70b", usd(.15), usd(.6)
			c.TTFT, c.ErrorRate = 210*time.Millisecond, .05
		}), "balanced 0.71: $0.262/M, 70b, ttft 210ms, errors 5%"},
		{"local", on("a", func(c *sdk.Candidate) { c.Channel.Tags = []string{"local"} }), "balanced 0.78: free, local"},
		{"down", on("a", func(c *sdk.Candidate) { c.Health = sdk.HealthDown }), "down, balanced 0.62"},
		{"misconfigured", on("a", func(c *sdk.Candidate) { c.Health = sdk.HealthMisconfigured }), "misconfigured, balanced 0.62"},
		{"short", on("a", func(c *sdk.Candidate) { c.ContextTokens = 4096 }), "context of 4096 too short for 8192 tokens, balanced 0.53"},
		{"failing", on("a", func(c *sdk.Candidate) { c.ErrorRate = .5 }), "fails too often, balanced 0.57: errors 50%"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := ready(t, nil).Select(context.Background(), sdk.Request{Tokens: 8192}, []sdk.Candidate{tt.candidate})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Tiers[0].Picks[0].Reason; got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSelector()
	s.Strategy = "cheapest"
	s.Weights = []weights{{}, {Cost: 1}}
	s.Ratings = []rating{{"fine", 1}, {"[", 1}}
	want := `strategy: unknown strategy "cheapest"; there are balanced, cost_first, cost_optimized, free_first, local_first, quality_optimized, speed_optimized
weights.1: there may be one block only
weights.0: needs at least one weight above 0
rating.1.model: "[" is no pattern`
	if err := s.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestStrategyWeightsAddUpToOne(t *testing.T) {
	t.Parallel()
	if n := len(strategies); n != 7 {
		t.Errorf("%d strategies, want 7", n)
	}
	for name, w := range strategies {
		var sum float64
		for _, v := range w {
			sum += v
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: weights add up to %v", name, sum)
		}
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	tests := map[string]float64{
		"llama3.1:8b": 8, "llama-3.3-70b-versatile": 70, "Qwen/Qwen2.5-72B-Instruct": 72, "mixtral-8x7b-32768": 56,
		"qwen3-235b-a22b": 235, "phi-3.8b": 3.8, "smollm-135m": .135, "kimi-k2-1t": 1000, "gpt-4o": 0, "gpt-4-32k": 0,
		"m-4bit": 0, "b": 0, "7b": 7, "-b": 0, "x-1..5b": 0, "x-.5b": 0, "x-8xb": 0, "x-xb": 0, "x-1e9b": 0, "x-12345678901b": 0, "": 0,
	}
	for model, want := range tests {
		if got := parameters(model); math.Abs(got-want) > 1e-9 {
			t.Errorf("parameters(%q) = %v, want %v", model, got, want)
		}
	}
}

func TestIsLocal(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"http://localhost:11434/v1": true, "http://[::1]:1/v1": true, "http://127.8.0.1": true, "http://ai.localhost/v1": true,
		"https://localhost.example/v1": false, "http://192.168.0.9/v1": false, "": false, "%": false,
	}
	for base, want := range tests {
		if got := isLocal(&sdk.Channel{BaseURL: base}); got != want {
			t.Errorf("isLocal(%q) = %v, want %v", base, got, want)
		}
	}
}

// What is known is by ref, and refs are given anew in each generation.
func TestNewGenerationIsNotConfusedWithTheOld(t *testing.T) {
	t.Parallel()
	s := ready(t, func(s *selector) { s.Strategy = "cost_optimized" })
	cheap, dear := on("cheap", func(c *sdk.Candidate) { c.InputPrice = usd(0.1) }), on("dear", func(c *sdk.Candidate) { c.InputPrice = usd(20) })
	for i := range 6 {
		cs := []sdk.Candidate{cheap, dear}
		if i%2 == 1 {
			slices.Reverse(cs)
		}
		for ref := range cs {
			cs[ref].Ref = uint32(ref)
		}
		p, err := s.Select(context.Background(), sdk.Request{}, cs)
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(p); got != "cheap | dear" {
			t.Fatalf("generation %d: %s", i, got)
		}
		if got := p.Tiers[0].Picks[0].Reason; !strings.Contains(got, "$0.1/M") {
			t.Fatalf("generation %d: the reason is %q", i, got)
		}
	}
}

// original is the scale of the predecessor: 38 channels, 6,566 models.
func original() []sdk.Candidate {
	r := rand.New(rand.NewPCG(1, 2))
	channels := make([]*sdk.Channel, 38)
	for i := range channels {
		channels[i] = &sdk.Channel{Name: fmt.Sprint("channel-", i), BaseURL: fmt.Sprintf("https://c%d.example/v1", i), Tags: []string{"paid", "eu"}}
	}
	sizes := []string{"", "-7b", "-70b-instruct", ":8x7b", ":free"}
	cs := make([]sdk.Candidate, 6566)
	for i := range cs {
		cs[i] = sdk.Candidate{
			Ref: uint32(i), Channel: channels[r.IntN(len(channels))],
			Model:    fmt.Sprintf("vendor-%d/model-%d%s", i%40, i, sizes[i%len(sizes)]),
			Priority: 10, Weight: 1, ContextTokens: 4096 << r.IntN(9), Health: sdk.HealthUp,
			TTFT: time.Duration(r.IntN(3000)) * time.Millisecond, ErrorRate: r.Float64() * .25,
		}
		if r.IntN(2) == 0 {
			cs[i].InputPrice, cs[i].OutputPrice = usd(r.Float64()*5), usd(r.Float64()*20)
		}
	}
	return cs
}

func TestManyCandidates(t *testing.T) {
	t.Parallel()
	cs := original()
	// The best hundred are all on one channel, which may go down.
	for i := range 200 {
		cs[i].Channel, cs[i].Priority = cs[0].Channel, 0
	}
	s := ready(t, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p, err := s.Select(context.Background(), sdk.Request{Tokens: 16384}, cs)
			if err != nil {
				t.Error(err)
				return
			}
			channels := make(map[string]int)
			for _, tier := range p.Tiers {
				for _, pick := range tier.Picks {
					channels[pick.Candidate.Channel.Name]++
				}
			}
			if len(channels) != 38 || channels[cs[0].Channel.Name] != s.MaxTargets {
				t.Errorf("plan has %v, want %d of %s and one of each other", channels, s.MaxTargets, cs[0].Channel.Name)
			}
		})
	}
	wg.Wait()

	// The cut keeps what a full sort would put first.
	all := ready(t, func(s *selector) { s.MaxTargets = len(cs) })
	full, some := all.best(cs, 0, origin{}), s.best(cs, 0, origin{})
	if !slices.Equal(full[:s.MaxTargets], some[:s.MaxTargets]) {
		t.Error("the best of the cut are not the best of all")
	}
}

func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{3, 38, 6566} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, cs := ready(b, nil), original()[:n]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Select(context.Background(), sdk.Request{Tokens: 4096}, cs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

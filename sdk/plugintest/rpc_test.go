package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

const actor = "testdata/actor"

// ways are those that a call can take: both must give the same answers.
var ways = map[string]func(context.Context) context.Context{
	"lane": func(ctx context.Context) context.Context { return ctx },
	// The lane leaves calls with metadata to gRPC.
	"unary": func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "way", "unary")
	},
}

func eachWay(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	t.Helper()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(way(t.Context()), callTimeout)
			defer cancel()
			test(t, ctx)
		})
	}
}

// two is a generation of two candidates, and their figures.
func two() (*host.Generation, []host.Live) {
	price := 1.5
	a, b := &sdk.Channel{Name: "a", Tags: []string{"t"}, Settings: map[string]string{"k": "v"}}, &sdk.Channel{Name: "b"}
	return &host.Generation{ID: 1 << 63, Candidates: []sdk.Candidate{
			{Channel: a, Model: "m", Priority: -1, Weight: 2, InputPrice: &price, ContextTokens: 8},
			{Ref: 1, Channel: b, Model: "m"},
		}}, []host.Live{
			{Ref: 1, Fallback: 2, Health: sdk.HealthMisconfigured, TTFT: time.Second, ErrorRate: 0.25, InFlight: 7},
			{Ref: 0},
		}
}

func TestSelectCarriesEverything(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	g, live := two()
	request := sdk.Request{
		Model: "say all", Endpoint: sdk.Chat, Stream: true, Size: 1, Tokens: 2, Tools: true, Images: true, JSON: true, Key: "k",
		Headers: map[string]string{"x-team": "t"}, Region: "r", Prefix: 1<<64 - 1, Now: time.Unix(1e9, 0).UTC(),
	}
	eachWay(t, func(t *testing.T, ctx context.Context) {
		plan, err := p.host.Selector().Select(ctx, g, request, live)
		if err != nil {
			t.Fatal(err)
		}
		var seen []sdk.Candidate
		for _, l := range live {
			c := g.Candidates[l.Ref]
			c.Fallback, c.Health, c.TTFT, c.ErrorRate, c.InFlight = l.Fallback, l.Health, l.TTFT, l.ErrorRate, l.InFlight
			seen = append(seen, c)
		}
		want := sdk.InOrder(seen...).Because(mustJSON(t, []any{request, seen})).For(sdk.For(time.Minute))
		if !reflect.DeepEqual(plan, want) {
			t.Errorf("got\n%s\nwant\n%s", mustJSON(t, plan), mustJSON(t, want))
		}
	})
	if s := p.host.LaneStats(); s.Calls == 0 || s.Frames == 0 || s.Unary == 0 {
		t.Errorf("not both ways were taken: %+v", s)
	}
}

func TestPlanOfTheAuthorIsChecked(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	g, live := two()
	for act, want := range map[string]string{
		"empty":          "plugin: plan: no picks; where no candidate fits, answer an error that says why",
		"stranger":       "plugin: plan: tier 1: another on elsewhere was not offered",
		"twice":          "plugin: plan: tier 2: m on b is in the plan already",
		"weight -1":      "plugin: plan: tier 1: m on b has the weight -1",
		"weight NaN":     "plugin: plan: tier 1: m on b has the weight NaN",
		"weight +Inf":    "plugin: plan: tier 1: m on b has the weight +Inf",
		"balance fair":   `plugin: plan: tier 1: unknown balance "fair"`,
		"balance hash:x": `plugin: plan: tier 1: balance "hash:x": unknown fact "x"`,
		"error":          "plugin: no channel fits",
	} {
		t.Run(act, func(t *testing.T) {
			eachWay(t, func(t *testing.T, ctx context.Context) {
				_, err := p.host.Selector().Select(ctx, g, sdk.Request{Model: act}, live)
				if err == nil || err.Error() != want || status.Code(err) != codes.Unknown {
					t.Errorf("got %v (%v), want %s", err, status.Code(err), want)
				}
			})
		})
	}
}

func TestForgottenGenerationIsLearnedAgain(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	eachWay(t, func(t *testing.T, ctx context.Context) {
		mine, others := p.host.Selector(), p.host.Selector()
		for id := range uint64(4) {
			for _, s := range []*host.Selector{mine, others} {
				g, live := two()
				if s == others {
					// The plugin keeps two generations, and others brings two.
					for newer := range uint64(2) {
						g.ID = 100*(id+1) + newer
						if _, err := s.Select(ctx, g, sdk.Request{Model: "order"}, live); err != nil {
							t.Fatal(err)
						}
					}
					continue
				}
				if _, err := s.Select(ctx, g, sdk.Request{Model: "order"}, live); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestNewProcessLearnsByItself(t *testing.T) {
	t.Parallel()
	g, live := two()
	for range 2 {
		p := Start(t, actor, nil)
		plan, err := p.host.Selector().Select(t.Context(), g, sdk.Request{Model: "order"}, live)
		if err != nil || Channels(plan) != "b | a" {
			t.Fatalf("got %s, %v", Channels(plan), err)
		}
		p.Kill()
		_, err = p.host.Selector().Select(t.Context(), g, sdk.Request{Model: "order"}, live)
		if status.Code(err) != codes.Unavailable {
			t.Fatalf("after kill -9: %v", err)
		}
	}
}

func TestPanicFailsOneCall(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	g, live := two()
	eachWay(t, func(t *testing.T, ctx context.Context) {
		s := p.host.Selector()
		_, err := s.Select(ctx, g, sdk.Request{Model: "panic"}, live)
		if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "Select: panic: told to") {
			t.Errorf("got %v", err)
		}
		if _, err := s.Select(ctx, g, sdk.Request{Model: "order"}, live); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
	waitFor(t, "the stack in the log", func() bool { return strings.Count(p.Logs(), "main.(*actor).Select") >= 2 })
}

func TestCancellationReachesTheHandler(t *testing.T) {
	t.Parallel()
	g, live := two()
	for _, tc := range []struct {
		name  string
		bound func(context.Context) (context.Context, context.CancelFunc)
		leave bool
		is    error
	}{
		{name: "deadline", is: context.DeadlineExceeded, bound: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}},
		{name: "leaving", is: context.Canceled, bound: context.WithCancel, leave: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := Start(t, actor, nil)
			eachWay(t, func(t *testing.T, ctx context.Context) {
				if _, err := p.host.Selector().Select(ctx, g, sdk.Request{Model: "order"}, live); err != nil {
					t.Fatal(err) // learns before time runs
				}
				before := p.Logs()
				since := func() string { return strings.TrimPrefix(p.Logs(), before) }
				ctx, cancel := tc.bound(ctx)
				defer cancel()
				if tc.leave {
					go func() {
						waitFor(t, "the handler", func() bool { return strings.Contains(since(), "waiting") })
						cancel()
					}()
				}
				_, err := p.host.Selector().Select(ctx, g, sdk.Request{Model: "wait"}, live)
				if !errors.Is(err, tc.is) {
					t.Errorf("got %v", err)
				}
				if tc.leave {
					waitFor(t, "the handler's end", func() bool { return strings.Contains(since(), "cancelled") })
				}
			})
		})
	}
}

func TestCacheCarriesEverything(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	eachWay(t, func(t *testing.T, ctx context.Context) {
		c := p.Cache()
		large := sdk.Entry{Namespace: "n", Key: "large", Value: []byte(strings.Repeat("x", 5<<20)), Expires: time.Unix(1e9, 7).UTC()}
		small := sdk.Entry{Namespace: "n", Key: "small", Value: []byte{0, 255}}
		if err := c.Put(ctx, large, small); err != nil {
			t.Fatal(err)
		}
		for _, want := range []sdk.Entry{large, small} {
			got, ok, err := c.Get(ctx, "n", want.Key)
			if err != nil || !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %d bytes, %v, %v", want.Key, len(got.Value), ok, err)
			}
		}
		if err := c.Delete(ctx, "n", "small", "large"); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.Get(ctx, "n", "large"); ok || err != nil {
			t.Errorf("deleted: got %v, %v", ok, err)
		}
		if n, err := c.Add(ctx, "n", "k", -5, time.Microsecond); n != 995 || err != nil {
			t.Errorf("add: got %d, %v", n, err)
		}
		q := sdk.ChangesQuery{Cursor: "c", Namespaces: []string{"n"}, KeysOnly: true, Limit: 9}
		changes, err := c.Changes(ctx, q)
		want := sdk.Changes{Cursor: mustJSON(t, q), More: true, Changes: []sdk.Change{{Entry: sdk.Entry{Key: "k"}, Deleted: true}}}
		if err != nil || !reflect.DeepEqual(changes, want) {
			t.Errorf("changes: got %+v, %v", changes, err)
		}
		stats, err := c.Stats(ctx)
		if want := (sdk.CacheStats{SetAside: 7, Namespaces: []sdk.NamespaceStats{{
			Namespace: "n", Entries: 1, Bytes: 2, Hits: 3, Misses: 4, Puts: 5, Expired: 6, Evicted: 1<<63 - 1,
			Oldest: time.Unix(8, 0).UTC(), Newest: time.Unix(9, 10).UTC(),
		}}}); err != nil || !reflect.DeepEqual(stats, want) {
			t.Errorf("stats: got %+v, %v", stats, err)
		}
	})
}

func TestHugeReplyIsTyped(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	eachWay(t, func(t *testing.T, ctx context.Context) {
		_, _, err := p.Cache().Get(ctx, "n", fmt.Sprintf("huge %d", sdk.MaxMessageBytes+1))
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("got %v", err)
		}
		if err := p.Cache().Put(ctx, sdk.Entry{Value: make([]byte, sdk.MaxMessageBytes+1)}); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("request: got %v", err)
		}
		if err := p.Cache().Delete(ctx, "n", "k"); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

func TestAdapterCarriesEverything(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	channel := sdk.Channel{
		Name: "c", Provider: "p", BaseURL: "http://u/v1", Region: "r", Tags: []string{"t"}, Settings: map[string]string{"k": "v"},
	}
	eachWay(t, func(t *testing.T, ctx context.Context) {
		got, err := p.host.Adapter().Prepare(ctx, channel, "m", sdk.Chat, true)
		want := sdk.Prepared{
			URL:     "http://u/v1/chat?" + mustJSON(t, []any{channel, true}),
			Headers: []sdk.Header{{Name: "a", Value: "b"}, {Name: "a", Value: "c"}},
			Auth:    sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer t", Expires: time.Unix(1e9, 5).UTC(), Service: "s", Region: "r"},
			Codec:   "openai", Model: "m!",
			Edits: []sdk.Edit{
				{Op: sdk.EditSet, Field: "a", Value: json.RawMessage(`{"b":1}`)}, {Op: sdk.EditDefault, Field: "b", Value: json.RawMessage(`2`)},
				{Op: sdk.EditRename, Field: "c", Value: json.RawMessage{}, To: "d"}, {Op: sdk.EditDelete, Field: "e", Value: json.RawMessage{}},
			},
			Lease: sdk.For(time.Hour),
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		_, err = p.host.Adapter().Prepare(ctx, channel, "m", sdk.Rerank, false)
		if !sdk.IsUnsupported(err) || !strings.Contains(err.Error(), "has no rerank") {
			t.Errorf("rerank: got %v", err)
		}
	})
}

func TestTranslatorCarriesEverything(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	c := sdk.Channel{Name: "c", Provider: "p", Settings: map[string]string{"k": "v"}}
	eachWay(t, func(t *testing.T, ctx context.Context) {
		a := p.host.Adapter()
		got, err := a.TranslateRequest(ctx, c, "m", []byte(`{"a":1}`))
		if want := mustJSON(t, []any{c, "m", `{"a":1}`}); err != nil || string(got) != want {
			t.Errorf("a request: got %s, %v", got, err)
		}
		got, err = a.TranslateAnswer(ctx, c, "m", sdk.UpstreamAnswer{Status: 418, Body: []byte("tea\x00")})
		if want := mustJSON(t, []any{c, "m", 418, "tea\x00"}); err != nil || string(got) != want {
			t.Errorf("an answer: got %s, %v", got, err)
		}
		out, err := a.TranslateStream(ctx, c, "m", sdk.StreamPiece{Data: []byte("\xff"), State: []byte("s"), End: true})
		want := sdk.Chunks{Events: [][]byte{[]byte(mustJSON(t, []any{c, "m", true})), []byte("\xff")}, State: []byte("s!")}
		if err != nil || !reflect.DeepEqual(out, want) {
			t.Errorf("a stream: got %q, %v", out, err)
		}
		if _, err = a.TranslateStream(ctx, c, "flood", sdk.StreamPiece{}); err == nil || !strings.Contains(err.Error(), "its state has 4194305 bytes") {
			t.Errorf("a state over the limit: %v", err)
		}
	})
}

func TestGuardCarriesEverything(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	request := sdk.Request{
		Model: "reject", Endpoint: sdk.Chat, Stream: true, Size: 1, Tokens: 2, Tools: true, Images: true, JSON: true, Key: "k",
		Headers: map[string]string{"x-team": "t"}, Region: "r", Prefix: 1<<64 - 1, Now: time.Unix(1e9, 0).UTC(),
	}
	prompt := sdk.Prompt(`{"messages":[{"role":"user","content":"hi"}]}`)
	eachWay(t, func(t *testing.T, ctx context.Context) {
		got, err := p.host.Guard().Inspect(ctx, request, prompt)
		want := host.Ruling{Rejection: &sdk.Rejection{Status: 451, Code: "unlawful", Message: mustJSON(t, []any{request, prompt.Texts()})}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if got, err = p.host.Guard().Inspect(ctx, sdk.Request{Model: "pass"}, nil); err != nil || !reflect.DeepEqual(got, host.Ruling{Lease: sdk.For(time.Minute)}) {
			t.Errorf("pass: got %+v, %v", got, err)
		}
		got, err = p.host.Guard().Inspect(ctx, sdk.Request{Model: "edit"}, nil)
		patch := `[{"op":"replace","path":"/a","value":null},{"op":"add","path":"/b","value":[1]},{"op":"remove","path":"/c"},{"from":"/d","op":"move","path":"/e"}]`
		if err != nil || string(got.Patch) != patch {
			t.Errorf("edit: got %s, %v", got.Patch, err)
		}
		got, err = p.host.Guard().Inspect(ctx, sdk.Request{Model: "say no"}, nil)
		if err != nil || *got.Rejection != (sdk.Rejection{Status: 400, Code: "request_rejected", Message: "no"}) {
			t.Errorf("say: got %+v, %v", got, err)
		}
		for act, want := range map[string]string{
			"status 200":    "plugin: ruling: the status 200 is none of an error",
			"code No":       `plugin: ruling: the code "No" is not of lower-case letters, digits and _`,
			"say":           "plugin: ruling: the rejection has no message",
			"both":          "plugin: ruling: it both rejects and edits",
			"unmarshalable": "json: unsupported type: func()",
			"?":             "plugin: can't tell",
		} {
			if _, err := p.host.Guard().Inspect(ctx, sdk.Request{Model: act}, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", act, err)
			}
		}
		long := sdk.Request{Model: "say " + strings.Repeat("x", 9<<10)}
		if _, err := p.host.Guard().Inspect(ctx, long, nil); err == nil || !strings.Contains(err.Error(), "longer than 8192 bytes") {
			t.Errorf("a long message: got %v", err)
		}
	})
}

func TestObserverCarriesEverything(t *testing.T) {
	t.Parallel()
	const record = `{"v":1,"id":"d-1","time":"2026-11-27T09:00:00Z","facts":{"model":"m","endpoint":"chat","stream":true,"key":"bob"},` +
		`"attempts":[{"channel":"a"},{"channel":"b"}],"outcome":{"status":200,"channel":"b","model":"n","ttft_ms":1.5,"duration_ms":20,` +
		`"tokens":{"input":3,"output":4},"cost_dollars":0.25}}`
	cost := 0.25
	want := sdk.Outcome{
		Record: json.RawMessage(record), ID: "d-1", Time: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), Model: "m", Key: "bob",
		Endpoint: sdk.Chat, Stream: true, Channel: "b", Answered: "n", Status: 200, Attempts: 2, TTFT: 1500 * time.Microsecond,
		Duration: 20 * time.Millisecond, InputTokens: 3, OutputTokens: 4, Cost: &cost,
	}
	dir := t.TempDir()
	p := Start(t, actor, nil, DataDir(dir))
	eachWay(t, func(t *testing.T, ctx context.Context) {
		o := p.host.Observer()
		if err := o.Observe(ctx, [][]byte{[]byte(record), []byte(`{"id":"d-2"}`)}); err != nil {
			t.Fatal(err)
		}
		if err := o.Observe(ctx, [][]byte{[]byte(`{"outcome":{"error":"fail"}}`)}); err == nil || err.Error() != "plugin: told to fail" {
			t.Errorf("a failure: %v", err)
		}
		if err := o.Observe(ctx, [][]byte{[]byte(`{`)}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("garbage: %v", err)
		}
	})
	notes, err := os.ReadFile(filepath.Join(dir, "notes"))
	if err != nil || strings.Count(string(notes), mustJSON(t, want)+"\n") != len(ways) || strings.Count(string(notes), `"ID":"d-2"`) != len(ways) {
		t.Errorf("got %v\n%s\nwant\n%s", err, notes, mustJSON(t, want))
	}
}

func TestUpstreamIsLent(t *testing.T) {
	t.Parallel()
	type call struct {
		channel string
		request sdk.UpstreamRequest
	}
	var mu sync.Mutex
	var got []call
	p := Start(t, actor, nil, Upstream(func(_ context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, call{channel, r})
		switch channel {
		case "denied":
			return sdk.UpstreamResponse{}, status.Error(codes.PermissionDenied, "needs the grant billed_calls")
		case "slow":
			return sdk.UpstreamResponse{}, fmt.Errorf("read: %w", context.DeadlineExceeded)
		case "gone":
			return sdk.UpstreamResponse{}, errors.New("connection refused")
		}
		return sdk.UpstreamResponse{Status: 201, Headers: []sdk.Header{{Name: "H", Value: "v"}}, Body: []byte("body"), Latency: time.Second}, nil
	}))
	eachWay(t, func(t *testing.T, ctx context.Context) {
		got = nil
		h, err := p.host.Prober().Probe(ctx, sdk.Channel{Name: "c"}, nil)
		want := sdk.Health{
			State: sdk.HealthMisconfigured, Lease: sdk.For(time.Second), Key: sdk.KeyInvalid,
			Reason:   mustJSON(t, sdk.UpstreamResponse{Status: 201, Headers: []sdk.Header{{Name: "H", Value: "v"}}, Body: []byte("body"), Latency: time.Second}),
			KeyLease: sdk.Lease{Fresh: time.Second, Stale: time.Minute}, Listed: true,
			Models:      []sdk.ModelInfo{{ID: "m", Created: 1, OwnedBy: "o", ContextTokens: 2, OutputTokens: 3, Price: sdk.Price{Known: true, Output: 4}}},
			ModelsLease: sdk.Lease{Stale: 1}, SpecsLease: sdk.Lease{Stale: 2}, PricesLease: sdk.Lease{Stale: 3},
		}
		if err != nil || !reflect.DeepEqual(h, want) {
			t.Errorf("got %+v, %v\nwant %+v", h, err, want)
		}
		wantCall := call{"c", sdk.UpstreamRequest{Method: "POST", Endpoint: sdk.Chat, Model: "m", Body: []byte("c"), MaxBytes: 9}}
		if len(got) != 1 || !reflect.DeepEqual(got[0], wantCall) {
			t.Errorf("the upstream saw %+v", got)
		}
		for channel, want := range map[string]struct {
			code codes.Code
			text string
		}{
			"denied": {codes.PermissionDenied, "plugin: check m on denied: upstream: needs the grant billed_calls"},
			"slow":   {codes.DeadlineExceeded, "plugin: check m on slow: upstream: read: context deadline exceeded"},
			"gone":   {codes.Unavailable, "plugin: check m on gone: upstream: connection refused"},
		} {
			_, err := p.host.Prechecker().Check(ctx, sdk.Channel{Name: channel}, "m")
			if err == nil || err.Error() != want.text || status.Code(err) != want.code {
				t.Errorf("%s: got %v (%v)", channel, err, status.Code(err))
			}
		}
	})
}

// A plugin whose upstream never answers still has the time to say so.
// That an upstream's time ends before its call's is tested in sdk, where no
// clock of a busy machine can be late.
func TestSilentUpstreamIsTheChecksAnswer(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil, Upstream(func(ctx context.Context, _ string, _ sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the upstream was not told when the call ends")
		}
		return sdk.UpstreamResponse{}, context.DeadlineExceeded
	}))
	eachWay(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := p.host.Prechecker().Check(ctx, sdk.Channel{Name: "silent"}, "m")
		if err == nil || !strings.HasPrefix(err.Error(), "plugin: check m on silent: upstream: ") || ctx.Err() != nil {
			t.Errorf("got %v, and of the call's own context %v", err, ctx.Err())
		}
	})
}

func TestUpstreamOverHTTP(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil, UpstreamHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s%s", r.Method, r.Host, r.URL.Path)
	})))
	a, err := p.Check(sdk.Channel{Name: "openai"}, "m")
	if want := (sdk.Availability{Available: true, Reason: "GET openai/models", Lease: sdk.NoLease}); err != nil || a != want {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestNoUpstreamIsLent(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	if _, err := p.Probe(sdk.Channel{Name: "c"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("got %v", err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// waitFor polls until what holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(callTimeout)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Errorf("no sign of %s", what)
			return
		case <-tick.C:
		}
	}
}

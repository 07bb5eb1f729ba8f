package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// text is a report as people read it.
func text(rs []Report) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s %s (%s) in %s\n", r.Step, r.Kind, r.Plugin, r.Took)
		for _, a := range r.Answer {
			fmt.Fprintf(&b, "  %s\n", a)
		}
		if r.Lease != "" {
			fmt.Fprintf(&b, "  lease: %s\n", r.Lease)
		}
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b", "c", "d")
		r.cfg.Channels[3].Models = []string{"n"}
		r.cfg.Models = []*config.Model{{Name: "m", Fallbacks: []string{"n"}}}
		r.board.Apply(r.cfg)
		r.cache = &cache{}
		r.adapter = func(_ context.Context, c sdk.Channel, model string, _ sdk.Endpoint, _ bool) (sdk.Prepared, error) {
			return sdk.Prepared{
				URL: c.BaseURL + "/chat/completions", Codec: "openai", Auth: sdk.Auth{Kind: sdk.AuthBearer},
				Edits: []sdk.Edit{{Op: sdk.EditDelete, Field: "user"}},
			}, nil
		}
		c := &checks{answers: map[string]answer{"a": {after: 30 * time.Millisecond}, "b": {after: 40 * time.Millisecond, up: true}}, asked: map[string]int{}}
		r.checker = c.check
		plan := sdk.Plan{Tiers: []sdk.Tier{
			{Picks: []sdk.Pick{pickOf(r, t, "a", 3), pickOf(r, t, "b", 1)}},
			{Picks: []sdk.Pick{{Candidate: sdk.Candidate{Ref: r.target(t, "c").Ref}, Reason: "the dearest"}}},
			{Picks: []sdk.Pick{pickOf(r, t, "d", 0)}},
		}}
		r.selector = always(plan)
		r.board.SetHealth(r.board.View().Channel("c"), board.Health{State: sdk.HealthDown, Reason: "503", Until: time.Now().Add(time.Hour)})
		r.board.SetHealth(r.board.View().Channel("d"), board.Health{State: sdk.HealthMisconfigured, Reason: "a page", Until: time.Now().Add(time.Hour)})
		r.board.Succeed(begun(r.target(t, "d")), 120*time.Millisecond)
		r.board.Fail(begun(r.target(t, "d")), board.Failure{Class: board.RateLimit, Reason: "429: slow down"})
		p := r.pipeline(t, healthStep(), answersStep(), chooseStep(), precheckStep(), callStep())

		q := bodied("{}")
		v, got := p.Explain(context.Background(), q)
		if v.Reject != nil || v.Choice.Source != "asked" {
			t.Errorf("verdict %+v", v)
		}
		want := `health prober (plugin.prober.models 1.0.0) in 0s
  0 up, 2 down, 2 not known; renewed behind the requests
  c is down: 503
  d is misconfigured: a page
answers cache (plugin.cache.local 1.0.0) in 0s
  miss: a good answer would be kept for 1h0m0s
choose selector (plugin.selector.mine 1.0.0) in 0s
  tier 1, weighted
    a/m                              weight 3, unknown, errors 0%, in flight 0
    b/m                              weight 1, unknown, errors 0%, in flight 0
  tier 2, least_load
    c/m                              weight 1, down, errors 0%, in flight 0: the dearest
  tier 3, least_load
    d/n                              weight 1, misconfigured, first token 120ms, errors 20%, in flight 0, fallback 1, banned: 429: slow down
  lease: asked; fresh for 5s more, stale for 1m5s
precheck prechecker (plugin.prechecker.race 1.0.0) in 40ms
  b/m answered first and goes first in its tier
  lease: up, 1m0s more: checked
call adapter (plugin.adapter.openai 1.0.0) in 0s
  b/m would get the request: POST https://b/v1/chat/completions
  wire format openai, auth bearer, model "m"
  delete field user
`
		if text(got) != want {
			t.Errorf("got\n%s\nwant\n%s", text(got), want)
		}

		q = bodied("{}")
		q.Facts.Model = "gpt-9"
		v, got = p.Explain(context.Background(), q)
		want = `health prober (plugin.prober.models 1.0.0) in 0s
  0 up, 2 down, 2 not known; renewed behind the requests
  c is down: 503
  d is misconfigured: a page
answers cache (plugin.cache.local 1.0.0) in 0s
  miss: a good answer would be kept for 1h0m0s
choose selector (plugin.selector.mine 1.0.0) in 0s
  The model "gpt-9" does not exist on any channel of this router. GET /v1/models lists those that do.
`
		if v.Reject == nil || text(got) != want {
			t.Errorf("got\n%s\nwant\n%s", text(got), want)
		}
		time.Sleep(time.Minute) // what is under way ends
	})
}

func TestExplainEachCase(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		given func(t *testing.T, r *rig, steps map[string]*config.Step, q *Request)
		step  string
		want  string
	}{
		{
			name: "answers off", step: "answers", want: "off: no answer is cached until the step has a ttl",
			given: func(_ *testing.T, _ *rig, s map[string]*config.Step, _ *Request) { s["answers"].TTL = 0 },
		},
		{
			name: "never cached", step: "answers", want: "responses is never cached",
			given: func(_ *testing.T, _ *rig, _ map[string]*config.Step, q *Request) { q.Facts.Endpoint = sdk.Responses },
		},
		{
			name: "bypassed", step: "answers", want: "bypassed: the request wants no cache",
			given: func(_ *testing.T, _ *rig, _ map[string]*config.Step, q *Request) {
				q.Header.Set("Cache-Control", "no-store")
			},
		},
		{
			name: "a known head", step: "precheck", want: "a/m was seen up: nothing to wait for",
			given: func(_ *testing.T, r *rig, _ map[string]*config.Step, _ *Request) { r.up("a") },
		},
		{
			name: "nobody answers", step: "precheck", want: "none of the top 3 answered in 2s: the plan stays as it is",
			given: func(*testing.T, *rig, map[string]*config.Step, *Request) {},
		},
		{
			name: "no target to check", step: "precheck", want: "no target to check",
			given: func(t *testing.T, r *rig, _ map[string]*config.Step, _ *Request) {
				r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Auth})
			},
		},
		{
			name: "no target to call", step: "call", want: "no target lets a request through now",
			given: func(t *testing.T, r *rig, _ map[string]*config.Step, _ *Request) {
				r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Auth})
			},
		},
		{
			name: "an adapter that refuses", step: "call", want: "a/m: has no chat",
			given: func(_ *testing.T, r *rig, _ map[string]*config.Step, _ *Request) {
				r.adapter = func(context.Context, sdk.Channel, string, sdk.Endpoint, bool) (sdk.Prepared, error) {
					return sdk.Prepared{}, errors.New("has no chat")
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig("a")
				r.cache = &cache{}
				r.checker = (&checks{asked: map[string]int{}}).check
				r.selector = always(r.tiers(t, []string{"a"}))
				r.adapter = func(context.Context, sdk.Channel, string, sdk.Endpoint, bool) (sdk.Prepared, error) {
					return sdk.Prepared{}, nil
				}
				steps := map[string]*config.Step{"answers": answersStep(), "precheck": precheckStep()}
				q := bodied("{}")
				tt.given(t, r, steps, q)
				_, got := r.pipeline(t, steps["answers"], chooseStep(), steps["precheck"], callStep()).Explain(context.Background(), q)
				for _, rep := range got {
					if rep.Step == tt.step && (len(rep.Answer) == 0 || rep.Answer[0] != tt.want) {
						t.Errorf("%s says %q, want %q", rep.Step, rep.Answer, tt.want)
					}
				}
				time.Sleep(time.Minute) // what is under way ends
			})
		})
	}
}

// A hit ends a request's run. A dry run goes on, to show the rest.
func TestExplainGoesOnAfterAHit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		r.cache = &cache{}
		r.selector = always(r.tiers(t, []string{"a"}))
		p := r.pipeline(t, answersStep(), chooseStep())
		ctx, cancel := context.WithCancel(context.Background())
		p.Background(ctx)
		stored(t, p, bodied("x"))
		v, got := p.Explain(context.Background(), bodied("x"))
		if v.Reply == nil || len(got) != 2 || got[0].Answer[0] != "hit: 12 bytes would be replayed, and no upstream asked" || got[1].Answer[0] != "tier 1, least_load" {
			t.Errorf("got\n%s", text(got))
		}
		cancel()
		synctest.Wait()
	})
}

package pipeline

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// words are forms whose patch is the new body, of which the last word is the model.
type words struct{ asStored }

func (words) Edit(q *Request, patch []byte) error {
	if bytes.Equal(patch, []byte("bad")) {
		return errors.New("can't be applied")
	}
	q.Body = patch
	q.Facts.Model = string(patch[bytes.LastIndexByte(patch, ' ')+1:])
	return nil
}

// guarded is a rig with a guard before a selector that always answers a.
func guarded(t *testing.T, g guard, grants ...string) *rig {
	t.Helper()
	r := newRig("a")
	r.guard, r.grants, r.forms = g, grants, words{}
	r.selector = always(r.tiers(t, []string{"a"}))
	return r
}

func TestGuardRulesOnFactsOncePerLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var seen sdk.Request
		r := guarded(t, func(_ context.Context, q sdk.Request, prompt []byte) (host.Ruling, error) {
			asked.Add(1)
			if seen = q; prompt != nil {
				t.Error("a guard without the grant sees the prompt")
			}
			if q.Key == "bob" {
				return host.Ruling{Rejection: &sdk.Rejection{Status: 403, Code: "no_bobs", Message: "No Bobs."}}, nil
			}
			return host.Ruling{}, nil
		})
		r.manifest.Reads = []sdk.Fact{sdk.FactKey}
		p := r.pipeline(t, guardStep(), chooseStep(), callStep())
		run := func(key string) Verdict {
			q := request()
			q.Facts.Key, q.Facts.Model, q.Body = key, "m", []byte("secret m")
			return p.Run(context.Background(), q)
		}
		for range 3 {
			if v := run("ann"); v.Reject != nil || v.Choice.Plan == nil {
				t.Fatalf("got %+v", v.Reject)
			}
		}
		if !reflect.DeepEqual(seen, sdk.Request{Key: "ann"}) || asked.Load() != 1 {
			t.Errorf("it saw %+v in %d calls", seen, asked.Load())
		}
		for range 2 {
			if v := run("bob"); v.Reject == nil || *v.Reject != (Rejection{Status: 403, Code: "no_bobs", Message: "No Bobs."}) || v.Choice.Plan != nil {
				t.Fatalf("got %+v", v)
			}
		}
		time.Sleep(5 * time.Second)
		run("ann")
		if asked.Load() != 3 {
			t.Errorf("asked %d times", asked.Load())
		}
		if s := p.Stats()[0]; s.Kind != sdk.KindGuard || s.Asked != 3 || s.Fresh != 3 || s.Rejected != 2 || s.Failed != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestGuardSeesEachPrompt(t *testing.T) {
	t.Parallel()
	var prompts []string
	r := guarded(t, func(_ context.Context, _ sdk.Request, prompt []byte) (host.Ruling, error) {
		prompts = append(prompts, string(prompt))
		return host.Ruling{}, nil
	}, sdk.NeedPrompt)
	p := r.pipeline(t, guardStep(), chooseStep(), callStep())
	for range 2 {
		q := request()
		q.Body = []byte("hello m")
		if v := p.Run(t.Context(), q); v.Reject != nil || v.Edited {
			t.Fatalf("got %+v", v)
		}
	}
	if len(prompts) != 2 || prompts[0] != "hello m" {
		t.Errorf("it saw %q", prompts)
	}
}

// What stands behind a guard sees what it left of the request: the plan is for
// the new model, and the answer is stored under the new body.
func TestStepsBehindAGuardSeeTheEdit(t *testing.T) {
	t.Parallel()
	r := guarded(t, func(_ context.Context, _ sdk.Request, prompt []byte) (host.Ruling, error) {
		if bytes.Contains(prompt, []byte("secret")) {
			return host.Ruling{Patch: []byte("*** m")}, nil
		}
		return host.Ruling{}, nil
	}, sdk.NeedPrompt)
	r.cache = new(cache)
	p := r.pipeline(t, guardStep(), answersStep(), chooseStep(), callStep())
	run := func(body string) (Verdict, *Request) {
		q := request()
		q.Facts.Model, q.Body = "nobody's", []byte(body)
		return p.Run(t.Context(), q), q
	}
	edited, q := run("secret nobody's")
	if edited.Reject != nil || !edited.Edited || string(q.Body) != "*** m" || edited.Choice.Set.Model != "m" {
		t.Fatalf("got %+v of %s", edited, q.Body)
	}
	if same, _ := run("another secret nobody's"); same.Keep.key != edited.Keep.key {
		t.Error("the cache does not see the edited body")
	}
	if s := p.Stats()[0]; s.Edited != 2 || s.Rejected != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestGuardWithoutARuling(t *testing.T) {
	t.Parallel()
	down := status.Error(codes.Unavailable, "it is down")
	for _, tc := range []struct {
		name   string
		guard  guard
		grants []string
		body   string
		reject string // with on_error = "reject"
		skip   string // and with "skip"; empty: the request passes
	}{
		{name: "fails", guard: func(context.Context, sdk.Request, []byte) (host.Ruling, error) {
			return host.Ruling{}, errors.New("no idea")
		}, reject: "step_unavailable"},
		{name: "is down for long", guard: func(context.Context, sdk.Request, []byte) (host.Ruling, error) { return host.Ruling{}, down }, reject: "step_unavailable"},
		{
			name: "is silent", reject: "step_unavailable", grants: []string{sdk.NeedPrompt},
			guard: func(ctx context.Context, _ sdk.Request, _ []byte) (host.Ruling, error) {
				<-ctx.Done()
				return host.Ruling{}, ctx.Err()
			},
		},
		{name: "edits what is not there", guard: func(context.Context, sdk.Request, []byte) (host.Ruling, error) {
			return host.Ruling{Patch: []byte("bad")}, nil
		}, reject: "step_unavailable"},
		{
			name: "would see too much", body: string(make([]byte, 101)), grants: []string{sdk.NeedPrompt}, reject: "prompt_too_long",
			guard: func(context.Context, sdk.Request, []byte) (host.Ruling, error) { panic("it saw it") },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, on := range []struct {
					mode config.OnError
					want string
				}{{config.OnErrorReject, tc.reject}, {config.OnErrorSkip, tc.skip}} {
					r := guarded(t, tc.guard, tc.grants...)
					step := guardStep()
					step.OnError = on.mode
					p := r.pipeline(t, step, chooseStep(), callStep())
					q := request()
					q.Body = []byte(tc.body)
					v := p.Run(context.Background(), q)
					code := ""
					if v.Reject != nil {
						code = v.Reject.Code
					}
					if code != on.want || (v.Choice.Plan == nil) != (code != "") {
						t.Errorf("on_error = %q: %+v", on.mode, v.Reject)
					}
				}
			})
		})
	}
}

// A guard that was killed is back within milliseconds: nobody is turned away.
func TestGuardThatIsBackInTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, grants := range [][]string{nil, {sdk.NeedPrompt}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			r := guarded(t, func(context.Context, sdk.Request, []byte) (host.Ruling, error) {
				if time.Since(began) < 500*time.Millisecond {
					return host.Ruling{}, status.Error(codes.Unavailable, "it is restarting")
				}
				return host.Ruling{}, nil
			}, grants...)
			p := r.pipeline(t, guardStep(), chooseStep(), callStep())
			if v := p.Run(context.Background(), request()); v.Reject != nil {
				t.Errorf("got %+v", v.Reject)
			}
		})
	}
}

func TestExplainTellsOfAGuard(t *testing.T) {
	t.Parallel()
	r := guarded(t, func(_ context.Context, _ sdk.Request, prompt []byte) (host.Ruling, error) {
		return host.Ruling{Rejection: &sdk.Rejection{Status: 400, Code: "no", Message: "No."}}, nil
	}, sdk.NeedPrompt)
	_, reports := r.pipeline(t, guardStep(), chooseStep(), callStep()).Explain(t.Context(), request())
	if len(reports) != 1 || reports[0].Answer[0] != "rejects with 400 no: No." || reports[0].Lease != "none: it reads the prompt" {
		t.Errorf("got %+v", reports)
	}
}

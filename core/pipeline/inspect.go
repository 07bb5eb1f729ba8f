package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// inspect is the guard step: a request passes, as it is or edited, or ends here.
// What a guard rules on facts alone is leased; one that reads prompts is asked
// about each. Where it gives no ruling, nobody passes unless on_error = "skip".
type inspect struct {
	cfg    *config.Step
	plugin Plugin
	forms  Forms
	reads  reads
	// prompts: it needs them, and they are granted.
	prompts bool
	leases  *table[rulingKey, host.Ruling]
	now     func() time.Time
	log     hclog.Logger
	counts  counts

	rejected, edited atomic.Int64
}

// rulingKey is what a ruling is leased under.
type rulingKey struct {
	model string // empty where the guard does not read it
	facts factKey
}

func (k rulingKey) hash(seed maphash.Seed) uint64 {
	return k.facts.hash(seed, maphash.String(seed, k.model))
}

const rulingEntries = 16 << 10

func newInspect(s *config.Step, o Options, log hclog.Logger) *inspect {
	p := o.Plugins(s.Plugin)
	return &inspect{
		cfg: s, plugin: p, forms: o.Forms, now: o.Now, log: log,
		reads: newReads(p.Manifest.Reads, s.Headers), prompts: p.Granted(sdk.NeedPrompt),
		leases: newTable[rulingKey, host.Ruling](rulingEntries),
	}
}

func (i *inspect) name() string { return i.cfg.Name }

func (i *inspect) run(ctx context.Context, q *Request, v *Verdict) {
	ruling, err := i.rule(ctx, q)
	if err == nil && ruling.Patch != nil {
		err = i.edit(q, v, ruling.Patch)
	}
	var refused *Rejection
	switch {
	case errors.As(err, &refused):
		v.Reject = refused // the client's mistake, or its ill luck
	case err != nil && ctx.Err() != nil:
		v.Reject = unavailable(i.cfg.Name, err) // to a client that has gone
	case err != nil:
		i.counts.failed.Add(1)
		i.log.Warn("no ruling", "plugin", i.cfg.Plugin.Address(), "on_error", i.cfg.OnError, "err", err)
		if i.cfg.OnError != config.OnErrorSkip {
			v.Reject = unavailable(i.cfg.Name, err)
		}
	case ruling.Rejection != nil:
		r := ruling.Rejection
		v.Reject = &Rejection{Status: r.Status, Code: r.Code, Message: r.Message}
	}
	if refused != nil || err == nil && v.Reject != nil {
		i.rejected.Add(1)
	}
}

// rule is a leased ruling, or a new one.
func (i *inspect) rule(ctx context.Context, q *Request) (host.Ruling, error) {
	if i.prompts {
		prompt, err := i.prompt(q)
		if err != nil {
			return host.Ruling{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, i.cfg.Timeout)
		defer cancel()
		return i.ask(ctx, i.reads.factsOf(q, q.Facts.Model), prompt)
	}
	k := i.key(q)
	l, f, renew := i.leases.get(&k, q.Start)
	switch f {
	case fresh:
		return l.value, nil
	case stale:
		if renew {
			i.leases.renew(k.own(), i.question(q))
		}
		return l.value, nil
	case failed:
		return host.Ruling{}, l.err
	}
	return i.leases.ask(ctx, k.own(), i.question(q))
}

func (i *inspect) key(q *Request) rulingKey {
	var k rulingKey
	if i.reads.model {
		k.model = q.Facts.Model
	}
	i.reads.mask(&k.facts, q)
	return k
}

// own is the key with nothing in it that points into a request's body.
func (k rulingKey) own() rulingKey {
	k.model, k.facts.region = strings.Clone(k.model), strings.Clone(k.facts.region)
	return k
}

func (i *inspect) question(q *Request) question[host.Ruling] {
	facts := i.reads.factsOf(q, strings.Clone(q.Facts.Model))
	return question[host.Ruling]{
		now: i.now, timeout: i.cfg.Timeout, lease: sdk.Lease{Fresh: i.cfg.Fresh, Stale: i.cfg.Stale},
		ask: func(ctx context.Context) (host.Ruling, sdk.Lease, error) {
			r, err := i.ask(ctx, facts, nil)
			return r, r.Lease, err
		},
	}
}

// The pauses before a guard that is down is asked again, within the step's
// time-out: nobody passes meanwhile.
const guardBackoff, guardMaxBackoff = 5 * time.Millisecond, 80 * time.Millisecond

func (i *inspect) ask(ctx context.Context, facts sdk.Request, prompt []byte) (host.Ruling, error) {
	return patient(ctx, guardBackoff, guardMaxBackoff, func() (host.Ruling, error) {
		i.counts.asked.Add(1)
		return i.plugin.Guard.Inspect(ctx, facts, prompt)
	})
}

// prompt is what the guard is shown. What is too much for the step is as bad as
// no ruling: the client is told, unless the step says skip.
func (i *inspect) prompt(q *Request) ([]byte, error) {
	prompt, err := i.forms.Prompt(q)
	if err != nil || int64(len(prompt)) <= i.cfg.MaxPrompt {
		return prompt, err
	}
	if i.cfg.OnError == config.OnErrorSkip {
		return nil, fmt.Errorf("the prompt has %d bytes, and max_prompt is %d", len(prompt), i.cfg.MaxPrompt)
	}
	return nil, &Rejection{
		Status: 413, Code: "prompt_too_long",
		Message: fmt.Sprintf("The prompt has %d bytes, and the router's step %q looks at no more than %d.", len(prompt), i.cfg.Name, i.cfg.MaxPrompt),
	}
}

// edit applies a patch. What the steps behind this one know of the request is
// read again.
func (i *inspect) edit(q *Request, v *Verdict, patch []byte) error {
	if err := i.forms.Edit(q, patch); err != nil {
		return fmt.Errorf("%s: %w", i.cfg.Plugin.Address(), err)
	}
	v.Edited = true
	i.edited.Add(1)
	return nil
}

func (i *inspect) stats() StepStats {
	return StepStats{
		Step: i.cfg.Name, Kind: sdk.KindGuard,
		Fresh: i.leases.fresh.Load(), Stale: i.leases.stale.Load(),
		Asked: i.counts.asked.Load(), Failed: i.counts.failed.Load(),
		Rejected: i.rejected.Load(), Edited: i.edited.Load(),
	}
}

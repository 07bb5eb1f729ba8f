package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Report is what one step did in a dry run.
type Report struct {
	Step   string
	Kind   sdk.Kind
	Plugin string // its address and version; empty for the call step
	// Answer in words, one line a thing.
	Answer []string
	// Lease in words, such as "fresh, 4.2s left".
	Lease string
	// Took is what the step cost this request.
	Took time.Duration
}

// Explain is a dry run: every step is asked as for a request, and nothing is
// sent to a model. A stored answer does not end it; a rejection does.
func (p *Pipeline) Explain(ctx context.Context, q *Request) (Verdict, []Report) {
	var v Verdict
	var out []Report
	for _, s := range p.steps {
		r := Report{Step: s.name(), Kind: s.stats().Kind}
		begin := time.Now()
		s.run(ctx, q, &v)
		r.Took = time.Since(begin)
		s.explain(ctx, q, &v, &r)
		out = append(out, r)
		if v.Reject != nil {
			break
		}
	}
	return v, out
}

func (r *Report) say(format string, args ...any) {
	r.Answer = append(r.Answer, fmt.Sprintf(format, args...))
}

func describe(p Plugin, address string) string {
	return fmt.Sprintf("%s %s", address, p.Manifest.Version)
}

func (a *answers) explain(_ context.Context, q *Request, v *Verdict, r *Report) {
	r.Plugin = describe(a.plugin, a.cfg.Plugin.Address())
	switch {
	case a.cfg.TTL <= 0 && !a.cfg.Dedupe:
		r.say("off: no answer is cached until the step has a ttl")
	case !cacheable(q.Facts.Endpoint):
		r.say("%s is never cached", q.Facts.Endpoint)
	case v.Cache == Hit:
		r.say("hit: %d bytes would be replayed, and no upstream asked", len(v.Reply.Body))
	case v.Cache == Bypass:
		r.say("bypassed: the request wants no cache")
	case v.Keep != nil:
		r.say("miss: a good answer would be kept for %s", v.Keep.ttl)
	}
	if v.Share != nil {
		r.say("an equal request in flight would share its upstream call")
	}
}

func (i *inspect) explain(_ context.Context, q *Request, v *Verdict, r *Report) {
	r.Plugin = describe(i.plugin, i.cfg.Plugin.Address())
	switch {
	case v.Reject != nil:
		r.say("rejects with %d %s: %s", v.Reject.Status, v.Reject.Code, v.Reject.Message)
	case v.Edited:
		r.say("lets it pass, edited; the body has %d bytes now", len(q.Body))
	default:
		r.say("lets it pass")
	}
	if i.prompts {
		r.Lease = "none: it reads the prompt"
		return
	}
	k := i.key(q)
	if l := i.leases.find(&k); l != nil && l.has {
		r.Lease = fmt.Sprintf("fresh for %s more", max(0, l.fresh.Sub(i.now())).Round(time.Millisecond))
	}
}

func (c *choose) explain(ctx context.Context, q *Request, v *Verdict, r *Report) {
	side := c.primary
	if v.Choice.Side == Canary {
		side = c.canary.side
	}
	r.Plugin = describe(side.Plugin, side.plugin.Address())
	if v.Reject != nil {
		r.say("%s", v.Reject.Message)
		return
	}
	for i, t := range v.Choice.Plan.tiers {
		r.say("tier %d, %s", i+1, t.balance)
		for _, k := range t.picks {
			r.say("  %-32s %s", k.Name(), k.explain(c.now()))
		}
	}
	r.Lease = v.Choice.Source
	if q.Channel != "" {
		return // no lease was asked for
	}
	if left := side.left(q, v.Choice.Set); left != "" {
		r.Lease += "; " + left
	}
	if c.canary != nil {
		r.say("canary %s takes %g%% of the requests; this one is decided by the %s", c.canary.plugin.Address(), c.canary.cfg.Percent, sideWord(v.Choice.Side))
	}
	c.shadow.explain(ctx, q, v, r)
}

// sideWord is a side in a sentence.
func sideWord(side string) string {
	if side == Fallback {
		return "primary, as the canary gave no plan"
	}
	return side
}

func (k *pick) explain(now time.Time) string {
	health, ttft, errors, inFlight := k.Live()
	s := fmt.Sprintf("weight %g, %s", k.weight, health)
	if ttft > 0 {
		s += fmt.Sprintf(", first token %s", ttft.Round(time.Millisecond))
	}
	s += fmt.Sprintf(", errors %.0f%%, in flight %d", errors*100, inFlight)
	if k.fallback > 0 {
		s += fmt.Sprintf(", fallback %d", k.fallback)
	}
	for _, b := range []*board.Ban{k.Channel.Ban(), k.Ban()} {
		if b != nil && !b.Ended(now) {
			s += ", banned: " + b.Reason
		}
	}
	if k.reason != "" {
		s += ": " + k.reason
	}
	return s
}

func (p *precheck) explain(_ context.Context, q *Request, v *Verdict, r *Report) {
	r.Plugin = describe(p.plugin, p.cfg.Plugin.Address())
	ahead := v.Walk
	head, _, ok := ahead.Next(q.Start)
	switch {
	case !ok:
		r.say("no target to check")
	case v.Walk.head != nil:
		r.say("%s answered first and goes first in its tier", head.Name())
	case head.Channel.Known():
		r.say("%s was seen up: nothing to wait for", head.Name())
	default:
		r.say("none of the top %d answered in %s: the plan stays as it is", p.cfg.Top, p.cfg.Timeout)
	}
	if head != nil {
		if a := head.Channel.Availability(); a != nil {
			r.Lease = fmt.Sprintf("%s, %s more: %s", upDown(a.Available), max(0, a.Until.Sub(p.now())).Round(time.Millisecond), a.Reason)
		}
	}
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func (c *call) explain(ctx context.Context, q *Request, v *Verdict, r *Report) {
	ahead := v.Walk
	t, _, ok := ahead.Next(q.Start)
	if !ok {
		r.say("no target lets a request through now")
		return
	}
	begin := time.Now()
	out, err := c.preparer.Prepare(ctx, t.Channel, t.Upstream, q.Facts.Endpoint, q.Facts.Stream)
	r.Took += time.Since(begin)
	if a, err := c.preparer.adapter(t.Channel); err == nil {
		r.Plugin = describe(a, t.Channel.Config.Provider.Adapter.Address())
	}
	if err != nil {
		r.say("%s: %v", t.Name(), err)
		return
	}
	r.say("%s would get the request: POST %s", t.Name(), out.URL)
	r.say("wire format %s, auth %s, model %q", out.Codec, out.Auth.Kind, cmp.Or(out.Model, t.Upstream))
	for _, e := range out.Edits {
		r.say("%s field %s", e.Op, e.Field)
	}
}

func (h *health) explain(_ context.Context, _ *Request, _ *Verdict, r *Report) {
	r.Plugin = describe(h.plugin, h.cfg.Plugin.Address())
	var up, down, unknown int
	for _, c := range h.board.View().Channels {
		switch {
		case c.Config.Off != "":
		case c.Health().State == sdk.HealthUp:
			up++
		case c.Health().State == sdk.HealthUnknown:
			unknown++
		default:
			down++
			r.say("%s is %s: %s", c.Config.Name, c.Health().State, c.Health().Reason)
		}
	}
	summary := fmt.Sprintf("%d up, %d down, %d not known; renewed behind the requests", up, down, unknown)
	r.Answer = slices.Insert(r.Answer, 0, summary)
}

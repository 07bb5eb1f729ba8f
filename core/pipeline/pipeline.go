package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Selector is a selector plugin, as the pipeline calls it.
type Selector interface {
	Select(ctx context.Context, g *host.Generation, r sdk.Request, live []host.Live) (sdk.Plan, error)
}

// Prechecker is a prechecker plugin.
type Prechecker interface {
	Check(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error)
}

// Prober is a prober plugin.
type Prober interface {
	Probe(ctx context.Context, c sdk.Channel, declared []string) (sdk.Health, error)
}

// Guard is a guard plugin.
type Guard interface {
	Inspect(ctx context.Context, r sdk.Request, prompt []byte) (host.Ruling, error)
}

// Plugin is one running plugin; only the field of the kind it is used for is
// looked at.
type Plugin struct {
	// Instance is the same where a reload carried the plugin over.
	Instance any
	Manifest sdk.Manifest
	// Grants are those of its needs that the configuration grants.
	Grants     []string
	Selector   Selector
	Prechecker Prechecker
	Prober     Prober
	Cache      sdk.Cache
	Adapter    sdk.Adapter
	Guard      Guard
	// Epoch counts the starts of its process.
	Epoch func() uint64
	// SHA256 is that of its program, empty where it is not known.
	SHA256 func() string
}

// Granted reports whether the plugin needs something and is granted it.
func (p *Plugin) Granted(need string) bool { return slices.Contains(p.Grants, need) }

// Plugins finds the running plugin of a configured one.
type Plugins func(*config.Plugin) Plugin

// Options of a pipeline.
type Options struct {
	Config  *config.Pipeline
	Board   *board.Board
	Plugins Plugins
	// Preparer of the call step, shared by all pipelines.
	Preparer *Preparer
	// Forms of requests and answers; nil: answers are given as they were stored.
	Forms Forms
	Log   hclog.Logger
	// Now is time.Now where nil.
	Now func() time.Time
	// Last is the pipeline of this name before a reload, whose steps are carried
	// over where nothing of them has changed: with their leases, indexes and
	// queues. nil: there is none.
	Last *Pipeline
}

// Pipeline runs requests through its steps.
type Pipeline struct {
	name  string
	steps []*runner
	// before are the figures of steps that a reload has replaced, by name.
	before map[string]StepStats
	// Call holds the rules of the call step.
	Call config.Call
}

// step is one step at work. A step that decides the request sets the verdict's
// Reply or Reject, and the steps after it do not run.
type step interface {
	name() string
	run(ctx context.Context, q *Request, v *Verdict)
	// explain is run, told in words.
	explain(ctx context.Context, q *Request, v *Verdict, r *Report)
	stats() StepStats
}

// Verdict is what the pipeline hands on: forward with this Walk, reply from
// cache, or reject.
type Verdict struct {
	// Walk is the plan to carry out where neither Reply nor Reject is set.
	Walk   Walk
	Choice Choice
	Reply  *Answer
	Reject *Rejection
	// Edited: the request's body is not what the client sent.
	Edited bool
	// Cache says what the cache step did: "", Hit, Miss or Bypass.
	Cache string
	// Share is the upstream call to take part in; nil: one of its own.
	Share *Share
	// Keep is where a good answer is to be kept; nil: nowhere.
	Keep *Keep
}

// Choice says where a plan came from.
type Choice struct {
	Plan *Plan
	// Source is "asked", "fresh", "stale", "declared", "failed lease" or
	// "pinned".
	Source string
	// Side is whose turn it was where the step has a canary: Primary, Canary or
	// Fallback.
	Side   string
	Set    *board.Set
	step   *choose
	shadow *comparison // nil: the shadow was not asked
}

// Fallback tells whether a target stands in for the model that was asked for.
func (c *Choice) Fallback(t *board.Target) bool {
	return c.Set != nil && !slices.ContainsFunc(c.Set.Members, func(m board.Member) bool {
		return m.Target == t && m.Fallback == 0
	})
}

// Step is the name of the step that chose; empty: none was reached.
func (c *Choice) Step() string {
	if c.step == nil {
		return ""
	}
	return c.step.cfg.Name
}

// Rejection is a request's end without an upstream.
type Rejection struct {
	Status int
	// Code is OpenAI's error code, such as "model_not_found".
	Code    string
	Message string
	Param   string
}

func (r *Rejection) Error() string { return r.Message }

// New builds a pipeline over running plugins.
func New(o Options) (*Pipeline, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Forms == nil {
		o.Forms = asStored{}
	}
	p := &Pipeline{name: o.Config.Name, before: make(map[string]StepStats)}
	for _, s := range o.Config.Steps {
		if s.Kind == sdk.KindAdapter {
			p.Call = s.Call
		}
		st := o.Last.carry(s, o.Plugins)
		if st == nil {
			var err error
			if st, err = newRunner(s, o); err != nil {
				return nil, fmt.Errorf("pipeline %s: %w", p.name, err)
			}
			p.countOn(o.Last, s)
		}
		p.steps = append(p.steps, st)
	}
	return p, nil
}

func newStep(s *config.Step, o Options) (step, error) {
	log := o.Log.Named(s.Name)
	switch s.Kind {
	case sdk.KindGuard:
		return newInspect(s, o, log), nil
	case sdk.KindSelector:
		return newChoose(s, o, log), nil
	case sdk.KindPrechecker:
		return newPrecheck(s, o, log), nil
	case sdk.KindCache:
		return newAnswers(s, o, log), nil
	case sdk.KindProber:
		return newHealth(s, o, log), nil
	case sdk.KindAdapter:
		return &call{cfg: s, preparer: o.Preparer}, nil
	}
	return nil, fmt.Errorf("step %s has the kind %q", s.Name, s.Kind)
}

// Name of the pipeline in the configuration.
func (p *Pipeline) Name() string { return p.name }

// Run takes the request through the steps in file order.
func (p *Pipeline) Run(ctx context.Context, q *Request) (v Verdict) {
	p.Decide(ctx, q, &v)
	return v
}

// Decide is Run into an empty verdict of the caller's.
func (p *Pipeline) Decide(ctx context.Context, q *Request, v *Verdict) {
	for _, s := range p.steps {
		s.run(ctx, q, v)
		if v.Reply != nil || v.Reject != nil {
			return
		}
	}
}

// Ready waits until the steps know what they have to know before the first
// request, or until ctx ends: a request then goes without.
func (p *Pipeline) Ready(ctx context.Context) {
	for _, s := range p.steps {
		if r, ok := s.step.(interface{ ready() <-chan struct{} }); ok {
			select {
			case <-r.ready():
			case <-ctx.Done():
				return
			}
		}
	}
}

// StepStats are a step's figures since the router started.
type StepStats struct {
	Step string
	Kind sdk.Kind
	// Fresh and Stale answers came from a lease, Asked from the plugin, and
	// Failed from on_error.
	Fresh, Stale, Asked, Failed int64
	// Known is how many stored answers a cache step knows of.
	Known int64
	// Rejected requests and Edited ones, of a guard step.
	Rejected, Edited int64
	// Canary is counted in the above, too; nil: the step has none.
	Canary *SideStats   `json:",omitempty"`
	Shadow *ShadowStats `json:",omitempty"`
}

// Stats of every step, in file order.
func (p *Pipeline) Stats() []StepStats {
	var out []StepStats
	for _, s := range p.steps {
		out = append(out, s.stats().plus(p.before[s.name()]))
	}
	return out
}

// counts are a step's figures where its table does not count them.
type counts struct{ fresh, asked, failed atomic.Int64 }

// unavailable is what on_error = "reject" answers.
func unavailable(step string, err error) *Rejection {
	reason := "gave no answer"
	if errors.Is(err, context.DeadlineExceeded) {
		reason = "took too long"
	}
	return &Rejection{
		Status: 503, Code: "step_unavailable",
		Message: fmt.Sprintf("The router's step %q %s. Try again in a moment.", step, reason),
	}
}

// patient asks a plugin again after a pause, from first to most, for as long as it
// has no process and ctx lasts: it is usually back within some milliseconds.
func patient[T any](ctx context.Context, first, most time.Duration, ask func() (T, error)) (T, error) {
	for pause := first; ; pause = min(2*pause, most) {
		answer, err := ask()
		if status.Code(err) != codes.Unavailable {
			return answer, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return answer, err
		}
	}
}

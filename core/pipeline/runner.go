package pipeline

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// runner is a step in the pipelines that run it: after a reload that changed
// nothing of it, those before and after share it.
type runner struct {
	step
	config string // of the step, as text that changes with it
	uses   []use  // plugins

	begin sync.Once
	stop  context.CancelFunc // nil: it has nothing to do behind the requests
	done  chan struct{}
}

// use is a plugin that a step runs.
type use struct {
	plugin   *config.Plugin
	instance any
}

func newRunner(s *config.Step, o Options) (*runner, error) {
	r := &runner{config: stepText(s)}
	plugins := o.Plugins
	o.Plugins = func(c *config.Plugin) Plugin {
		p := plugins(c)
		r.uses = append(r.uses, use{c, p.Instance})
		return p
	}
	var err error
	r.step, err = newStep(s, o)
	return r, err
}

// stepText is a step as JSON. Of its plugins it has the hashes.
func stepText(s *config.Step) string {
	js, err := json.Marshal(s)
	if err != nil {
		panic("pipeline: a step as JSON: " + err.Error()) // these types are ours
	}
	return string(js)
}

// carry finds a step that goes on as it is: it is configured the same, and its
// plugins were carried over too. nil: it does not.
func (p *Pipeline) carry(s *config.Step, plugins Plugins) *runner {
	if p == nil {
		return nil
	}
	for _, r := range p.steps {
		if r.name() != s.Name || r.config != stepText(s) {
			continue
		}
		for _, u := range r.uses {
			if u.instance == nil || plugins(u.plugin).Instance != u.instance {
				return nil
			}
		}
		return r
	}
	return nil
}

// countOn goes on with the figures of a step that is replaced by s.
func (p *Pipeline) countOn(last *Pipeline, s *config.Step) {
	if last == nil || s.Kind == sdk.KindAdapter { // the preparer counts for that
		return
	}
	for _, was := range last.Stats() {
		if was.Step == s.Name && was.Kind == s.Kind {
			p.before[s.Name] = was
		}
	}
}

// plus adds what another step of that name had counted.
func (s StepStats) plus(o StepStats) StepStats {
	s.Fresh += o.Fresh
	s.Stale += o.Stale
	s.Asked += o.Asked
	s.Failed += o.Failed
	s.Rejected += o.Rejected
	s.Edited += o.Edited
	return s
}

// Background begins what the steps do behind the requests, as far as a pipeline
// before has not. It goes on until ctx ends, or until [Pipeline.Rest]. wait
// returns when the last of what was begun has been written after that.
func (p *Pipeline) Background(ctx context.Context) (wait func()) {
	var begun []*runner
	for _, r := range p.steps {
		b, ok := r.step.(interface{ background(context.Context) })
		if !ok {
			continue
		}
		r.begin.Do(func() {
			begun = append(begun, r)
			own, stop := context.WithCancel(ctx)
			r.stop, r.done = stop, make(chan struct{})
			go func() {
				defer close(r.done)
				b.background(own)
			}()
		})
	}
	return waitFor(begun)
}

// Rest ends what the steps do behind the requests, but for those that the next
// pipeline has too. wait returns when the last of it has been written.
func (p *Pipeline) Rest(next *Pipeline) (wait func()) {
	var ending []*runner
	for _, r := range p.steps {
		if r.stop != nil && !next.has(r) {
			r.stop()
			ending = append(ending, r)
		}
	}
	return waitFor(ending)
}

func (p *Pipeline) has(r *runner) bool {
	if p == nil {
		return false
	}
	for _, o := range p.steps {
		if o == r {
			return true
		}
	}
	return false
}

func waitFor(all []*runner) func() {
	return func() {
		for _, r := range all {
			<-r.done
		}
	}
}

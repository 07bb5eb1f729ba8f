package replay

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Options of a replay.
type Options struct {
	// Selector is asked for every decision; nil: those of Config's pipelines.
	Selector *config.Plugin
	// Config's channels are the candidates; nil: those of each record.
	Config *config.Config
	// Timeout of a call to a selector.
	Timeout time.Duration
	// Self is the command that serves first-party plugins.
	Self []string
	Log  hclog.Logger
}

// subject is who is asked.
type subject struct {
	o       Options
	catalog *catalog.Catalog
	dir     string
	plugins *catalog.Set
	askers  map[*config.Plugin]*pipeline.Replayer
	view    *board.View // nil: the candidates are the records'
}

// start runs the selectors. listed are the models that the records saw on each
// channel, for those that the configuration leaves to the provider's list.
func start(ctx context.Context, o Options, listed listing) (_ *subject, err error) {
	s := &subject{o: o, askers: make(map[*config.Plugin]*pipeline.Replayer)}
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	if s.dir, err = os.MkdirTemp("", "smartrouter-replay-"); err != nil {
		return nil, err
	}
	if s.catalog, err = catalog.New(catalog.Options{Log: o.Log.Named("plugin"), Self: o.Self, DataDir: s.dir, RuntimeDir: s.dir}); err != nil {
		return nil, err
	}
	wanted := []*config.Plugin{o.Selector}
	if o.Selector == nil {
		wanted = selectors(o.Config)
	}
	if s.plugins, err = s.catalog.Load(ctx, wanted); err != nil {
		return nil, err
	}
	for _, p := range wanted {
		i := s.plugins.Plugin(p.Address())
		s.askers[p] = pipeline.NewReplayer(pipeline.Plugin{Selector: i.Selector(), Manifest: i.Manifest()}, o.Timeout)
	}
	if o.Config != nil {
		s.view = boardOf(o.Config, listed).View()
	}
	return s, nil
}

// selectors that the configuration's requests are decided by.
func selectors(c *config.Config) (all []*config.Plugin) {
	seen := make(map[*config.Plugin]bool)
	for _, p := range c.Pipelines {
		if s := selectorStep(p); s != nil && !seen[s.Plugin] {
			seen[s.Plugin] = true
			all = append(all, s.Plugin)
		}
	}
	return all
}

func selectorStep(p *config.Pipeline) *config.Step {
	for _, s := range p.Steps {
		if s.Kind == sdk.KindSelector {
			return s
		}
	}
	return nil
}

// forGood is longer than any replay takes.
const forGood = 365 * 24 * time.Hour

// listing is the models that records saw, by channel and name.
type listing map[string]map[string]sdk.ModelInfo

// boardOf is the configuration's board, with the models that the records saw.
func boardOf(c *config.Config, listed listing) *board.Board {
	b := board.New(nil)
	b.Apply(c)
	for _, ch := range b.View().Channels {
		if ch.Config.Models != nil || ch.Config.Off != "" {
			continue
		}
		h := board.Health{Listed: true, ModelsUntil: time.Now().Add(forGood)}
		for name, m := range listed[ch.Config.Name] {
			if upstream, ok := ch.Config.Aliases[name]; ok {
				name = upstream
			}
			m.ID = name
			h.Models = append(h.Models, m)
		}
		slices.SortFunc(h.Models, func(a, b sdk.ModelInfo) int { return cmp.Compare(a.ID, b.ID) })
		b.SetHealth(ch, h)
	}
	return b
}

// answer is what the subject says of a record.
type answer struct {
	tiers []decision.Tier
	// candidates are the figures of what was offered, by target.
	candidates map[decision.Target]*figures
	took       time.Duration
	// nobody: no channel of the configuration has the model, or no route takes it.
	nobody bool
}

// ask asks about one record. The error is the plugin's, or the record's.
func (s *subject) ask(ctx context.Context, d *decision.Decision) (a answer, err error) {
	plugin, allowed := s.o.Selector, []string(nil)
	if s.o.Config != nil {
		step := s.step(d)
		if step == nil {
			return answer{nobody: true}, nil
		}
		if allowed = append([]string{}, step.Headers...); plugin == nil {
			plugin = step.Plugin
		}
	}
	asker := s.askers[plugin]
	var q *pipeline.Question
	if s.view == nil {
		q, err = asker.Recorded(d)
	} else {
		q, err = asker.Configured(d, s.view)
	}
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%w: %w", errRecord, err)
	case q == nil:
		return answer{nobody: true}, nil
	}
	a.candidates = offered(q)
	a.tiers, a.took, err = asker.Ask(ctx, d, q, allowed)
	return a, err
}

// step is the selector step that a configuration has for the record's request.
func (s *subject) step(d *decision.Decision) *config.Step {
	if p := server.Routed(s.o.Config, d.Facts.Endpoint, d.Facts.Model); p != nil {
		return selectorStep(p)
	}
	return nil
}

func (s *subject) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if s.catalog != nil {
		if err := s.catalog.Close(ctx); err != nil {
			s.o.Log.Warn("plugins not ended", "err", err)
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// closeTimeout bounds the end of the plugins.
const closeTimeout = 5 * time.Second

package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Replayer asks a selector what it would have chosen for recorded decisions. It
// is used by one goroutine.
type Replayer struct {
	selector Selector
	manifest sdk.Manifest
	timeout  time.Duration
	// known are the newest generations, by what they hold.
	known map[uint64]*host.Generation
}

// NewReplayer asks the plugin, for at most so long.
func NewReplayer(p Plugin, timeout time.Duration) *Replayer {
	return &Replayer{selector: p.Selector, manifest: p.Manifest, timeout: timeout, known: make(map[uint64]*host.Generation)}
}

// Question is one recorded decision, as the selector is asked about it.
type Question struct {
	Generation *host.Generation
	Live       []host.Live
}

// Recorded asks about the candidates of the record itself.
func (r *Replayer) Recorded(d *decision.Decision) (*Question, error) {
	q := &Question{Live: make([]host.Live, len(d.Candidates))}
	fixed := make([]sdk.Candidate, len(d.Candidates))
	channels := make(map[string]*sdk.Channel)
	for i := range d.Candidates {
		c := &d.Candidates[i]
		if channels[c.Channel] == nil {
			channels[c.Channel] = &sdk.Channel{Name: c.Channel, Provider: c.Provider, Region: c.Region, Tags: c.Tags}
		}
		fixed[i] = sdk.Candidate{
			Ref: uint32(i), Channel: channels[c.Channel], Model: c.Model, Priority: c.Priority, Weight: c.Weight,
			InputPrice: c.InputPrice, OutputPrice: c.OutputPrice, ContextTokens: c.ContextTokens,
		}
		var err error
		if q.Live[i], err = liveFrom(c, uint32(i)); err != nil {
			return nil, err
		}
	}
	q.Generation = r.generation(fixed)
	return q, nil
}

// maxGenerations bounds what is kept of records: a plugin forgets older ones.
const maxGenerations = 64

func (r *Replayer) generation(fixed []sdk.Candidate) *host.Generation {
	b, _ := json.Marshal(fixed) // names and numbers that came from JSON
	id := fnv64(string(b))
	if g := r.known[id]; g != nil {
		return g
	}
	if len(r.known) >= maxGenerations {
		clear(r.known)
	}
	g := &host.Generation{ID: id, Candidates: fixed}
	r.known[id] = g
	return g
}

// Configured asks about the candidates of a board, each as it did in the record
// where that knows it. It is nil where the board has none for the request.
func (r *Replayer) Configured(d *decision.Decision, view *board.View) (*Question, error) {
	set := view.Resolve(d.Facts.Model, d.Fallbacks)
	if set == nil {
		return nil, nil
	}
	recorded := make(map[[2]string]*decision.Candidate, len(d.Candidates))
	for i := range d.Candidates {
		c := &d.Candidates[i]
		recorded[[2]string{c.Channel, c.Model}] = c
	}
	q := &Question{Live: make([]host.Live, len(set.Members))}
	for i, m := range set.Members {
		l := &q.Live[i]
		if c := recorded[[2]string{m.Channel.Config.Name, m.Model}]; c != nil {
			var err error
			if *l, err = liveFrom(c, m.Ref); err != nil {
				return nil, err
			}
		}
		l.Ref, l.Fallback = m.Ref, m.Fallback
	}
	if g := r.known[view.Generation]; g != nil {
		q.Generation = g
	} else {
		q.Generation = &host.Generation{ID: view.Generation, Candidates: view.Candidates}
		r.known[view.Generation] = q.Generation
	}
	return q, nil
}

func liveFrom(c *decision.Candidate, ref uint32) (host.Live, error) {
	l := host.Live{Ref: ref, Fallback: c.Fallback, TTFT: time.Duration(c.TTFT), ErrorRate: c.ErrorRate, InFlight: c.InFlight}
	for h := sdk.HealthUnknown; h <= sdk.HealthMisconfigured; h++ {
		if h.String() == c.Health {
			l.Health = h
			return l, nil
		}
	}
	return l, fmt.Errorf("candidate %s on %s has the health %q", c.Model, c.Channel, c.Health)
}

// Ask asks the plugin, which is told the facts of the record that it reads. Of
// headers it gets those that are allowed; nil: all.
func (r *Replayer) Ask(ctx context.Context, d *decision.Decision, q *Question, allowed []string) (tiers []decision.Tier, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	facts := r.facts(d, allowed)
	begun := time.Now()
	plan, err := r.selector.Select(ctx, q.Generation, facts, q.Live)
	took = time.Since(begun)
	if err != nil {
		return nil, took, err
	}
	for _, t := range plan.Tiers {
		if len(t.Picks) == 0 {
			continue
		}
		balance, weights := balanceOf(t)
		out := decision.Tier{Balance: balance}
		for i, k := range t.Picks {
			if int(k.Candidate.Ref) >= len(q.Generation.Candidates) {
				return nil, took, errors.New("the plan has a target that was not offered")
			}
			c := &q.Generation.Candidates[k.Candidate.Ref]
			out.Picks = append(out.Picks, decision.Pick{Channel: c.Channel.Name, Model: c.Model, Weight: weights[i], Reason: k.Reason})
		}
		tiers = append(tiers, out)
	}
	return tiers, took, nil
}

// facts are masked as for a request.
func (r *Replayer) facts(d *decision.Decision, allowed []string) sdk.Request {
	f := &d.Facts
	q := &Request{
		Facts: sdk.Request{
			Model: f.Model, Endpoint: f.Endpoint, Stream: f.Stream, Size: f.Size, Tokens: f.Tokens, Tools: f.Tools, Images: f.Images,
			JSON: f.JSON, Key: f.Key, Region: f.Region, Prefix: uint64(f.Prefix),
		},
		Header: make(http.Header, len(f.Headers)), Start: d.Time,
	}
	for name, v := range f.Headers {
		q.Header.Set(name, v)
	}
	if allowed == nil {
		for _, fact := range r.manifest.Reads {
			if name, ok := fact.Header(); ok {
				allowed = append(allowed, strings.ToLower(name))
			}
		}
	}
	reads := newReads(r.manifest.Reads, allowed)
	return reads.factsOf(q, f.Model)
}

package smart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// selector is the plugin; its tagged fields are the config block.
type selector struct {
	Strategy     string    `config:"strategy" doc:"which weights to use: balanced, cost_first, free_first, local_first, cost_optimized, speed_optimized or quality_optimized"`
	Weights      []weights `config:"weights" doc:"weights of your own, in place of a strategy's; only their proportions matter"`
	Ratings      []rating  `config:"rating" doc:"how good a model is, for the weight quality; the first that matches rules"`
	MaxErrorRate float64   `config:"max_error_rate" doc:"above it a target comes after those that work" min:"0" max:"1"`
	Tolerance    float64   `config:"tolerance" doc:"targets whose scores differ by at most this much share the load" min:"0" max:"1"`
	MaxTargets   int       `config:"max_targets" doc:"how many of the best targets a plan holds, besides the best of each channel" min:"1" max:"10000"`
	Regions      string    `config:"regions" doc:"prefer: of targets with the same priority, those nearest to the caller first, where the regions of both are known; ignore: wherever they are"`

	shares shares
	name   string // of the strategy, for people

	known memo
}

// What regions may be.
const (
	preferNear   = "prefer"
	ignoreRegion = "ignore"
)

// weights is the block of the same name.
type weights struct {
	Cost        float64 `config:"cost" doc:"a low price" min:"0"`
	Params      float64 `config:"params" doc:"many parameters" min:"0"`
	Context     float64 `config:"context" doc:"a long context" min:"0"`
	Speed       float64 `config:"speed" doc:"a short time to the first token" min:"0"`
	Quality     float64 `config:"quality" doc:"a high rating" min:"0"`
	Reliability float64 `config:"reliability" doc:"a low error rate" min:"0"`
	Free        float64 `config:"free" doc:"costs nothing" min:"0"`
	Local       float64 `config:"local" doc:"runs on this machine" min:"0"`
}

func (w weights) shares() shares {
	return shares{
		byCost: w.Cost, byParams: w.Params, byContext: w.Context, bySpeed: w.Speed,
		byQuality: w.Quality, byReliability: w.Reliability, byFree: w.Free, byLocal: w.Local,
	}
}

// rating is the block of the same name.
type rating struct {
	Model   string  `config:"model,required" doc:"a model's name, in which * stands for anything but a slash"`
	Quality float64 `config:"quality,required" doc:"0 to 1" min:"0" max:"1"`
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "smart", Doc: "Orders targets by model, priority, distance and a score of price, size, context, speed, errors and place.",
		Reads:    []sdk.Fact{sdk.FactModel, sdk.FactTokens, sdk.FactRegion},
		Computes: true,
		Selector: newSelector(),
	}
}

// newSelector has the defaults.
func newSelector() *selector {
	return &selector{Strategy: "balanced", MaxErrorRate: 0.2, Tolerance: 0.1, MaxTargets: 100, Regions: preferNear}
}

// Validate reports what types and bounds cannot.
func (s *selector) Validate() error {
	var errs []error
	if _, ok := strategies[s.Strategy]; !ok {
		names := strings.Join(slices.Sorted(maps.Keys(strategies)), ", ")
		errs = append(errs, sdk.ConfigError{
			Path: "strategy", Message: fmt.Sprintf("unknown strategy %q; there are %s", s.Strategy, names),
		})
	}
	if s.Regions != preferNear && s.Regions != ignoreRegion {
		errs = append(errs, sdk.ConfigError{
			Path: "regions", Message: fmt.Sprintf("%q is neither %q nor %q", s.Regions, preferNear, ignoreRegion),
		})
	}
	if len(s.Weights) > 1 {
		errs = append(errs, sdk.ConfigError{Path: "weights.1", Message: "there may be one block only"})
	}
	if len(s.Weights) > 0 && s.Weights[0] == (weights{}) {
		errs = append(errs, sdk.ConfigError{Path: "weights.0", Message: "needs at least one weight above 0"})
	}
	for i, r := range s.Ratings {
		if _, err := path.Match(r.Model, ""); err != nil {
			errs = append(errs, sdk.ConfigError{
				Path: fmt.Sprintf("rating.%d.model", i), Message: fmt.Sprintf("%q is no pattern", r.Model),
			})
		}
	}
	return errors.Join(errs...)
}

// Start works out what follows from the config.
func (s *selector) Start(context.Context, sdk.Setup) error {
	s.name, s.shares = s.Strategy, strategies[s.Strategy]
	if len(s.Weights) > 0 {
		s.name, s.shares = "own weights", s.Weights[0].shares()
	}
	s.shares = s.shares.normalised()
	return nil
}

// rating of a model; below 0: none.
func (s *selector) rating(model string) float64 {
	for _, r := range s.Ratings {
		if ok, _ := path.Match(r.Model, model); ok {
			return r.Quality
		}
	}
	return -1
}

// Select ranks all candidates in one pass and makes tiers of the best.
func (s *selector) Select(_ context.Context, r sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	from := s.origin(r.Region, cs)
	return s.plan(s.best(cs, r.Tokens, from), cs, r.Tokens, from), nil
}

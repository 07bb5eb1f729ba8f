package smart

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestKilometres(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to  string
		low, high float64
	}{
		{"us-east-1", "us-east-1", 0, 0},
		{"us-east-1", "eu-west-1", 5300, 5600},
		{"eu-west-1", "eu-west-2", 400, 520},
		{"eu-west-1", "northeurope", 0, 0},
		{"ap-northeast-1", "us-west-2", 7600, 8100},
		{"asia-southeast1", "southamerica-east1", 15700, 16300},
	}
	for _, tt := range tests {
		for _, km := range []float64{places[tt.from].km(places[tt.to]), places[tt.to].km(places[tt.from])} {
			if km < tt.low || km > tt.high {
				t.Errorf("%s to %s: %.0f km, want %.0f to %.0f", tt.from, tt.to, km, tt.low, tt.high)
			}
		}
	}
}

func TestPlacesAreOnEarth(t *testing.T) {
	t.Parallel()
	for name, p := range places {
		if name != strings.ToLower(name) || p == (place{}) || math.Abs(p.lat) > 70 || math.Abs(p.lon) > 180 {
			t.Errorf("%s is at %v", name, p)
		}
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	in := func(name, region string, change func(*sdk.Candidate)) sdk.Candidate {
		c := on(name, change)
		c.Channel.Region = region
		return c
	}
	world := []sdk.Candidate{
		in("tokyo", "ap-northeast-1", nil), in("virginia", "us-east-1", nil),
		in("dublin", "eu-west-1", nil), in("nowhere", "", nil),
	}
	tests := []struct {
		name, caller, regions string
		candidates            []sdk.Candidate
		want                  string
	}{
		{name: "no caller's region", candidates: world, want: "tokyo virginia dublin nowhere"},
		{name: "an unknown caller's region", caller: "moon", candidates: world, want: "tokyo virginia dublin nowhere"},
		{name: "ignored", caller: "eu-west-1", regions: ignoreRegion, candidates: world, want: "tokyo virginia dublin nowhere"},
		{name: "from Frankfurt, in capitals", caller: "EU-Central-1", candidates: world, want: "dublin | nowhere | virginia | tokyo"},
		{name: "from Osaka, by Azure's name", caller: "japanwest", candidates: world, want: "tokyo | nowhere | dublin | virginia"},
		{
			name: "the nearest is down", caller: "eu-west-1",
			candidates: []sdk.Candidate{
				in("dublin", "eu-west-1", func(c *sdk.Candidate) { c.Health = sdk.HealthDown }),
				in("tokyo", "ap-northeast-1", nil), in("virginia", "us-east-1", nil),
			},
			want: "virginia | tokyo | dublin",
		},
		{
			name: "priority and model come first", caller: "eu-west-1",
			candidates: []sdk.Candidate{
				in("fallback", "eu-west-1", func(c *sdk.Candidate) { c.Fallback = 1 }),
				in("dublin", "eu-west-1", nil),
				in("tokyo", "ap-northeast-1", func(c *sdk.Candidate) { c.Priority = 1 }),
			},
			want: "tokyo | dublin | fallback",
		},
		{
			name: "measured latency decides within a band", caller: "eu-west-1",
			candidates: []sdk.Candidate{
				in("dublin", "eu-west-1", func(c *sdk.Candidate) { c.TTFT = 9 * time.Second }),
				in("london", "eu-west-2", func(c *sdk.Candidate) { c.TTFT = 10 * time.Millisecond }),
			},
			want: "london | dublin",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := ready(t, func(s *selector) {
				s.Tolerance = 0.05
				if tt.regions != "" {
					s.Regions = tt.regions
				}
			})
			p, err := s.Select(context.Background(), sdk.Request{Region: tt.caller}, tt.candidates)
			if err != nil {
				t.Fatal(err)
			}
			if got := shape(p); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRegionInReason(t *testing.T) {
	t.Parallel()
	c := on("london", nil)
	c.Channel.Region = "eu-west-2"
	p, err := ready(t, nil).Select(context.Background(), sdk.Request{Region: "eu-west-1"}, []sdk.Candidate{c})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Tiers[0].Picks[0].Reason; !strings.Contains(got, ": 466 km") {
		t.Errorf("the reason is %q", got)
	}
}

package smart

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

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
			name: "a name of the user's own", caller: "The-Cellar",
			candidates: []sdk.Candidate{in("dublin", "eu-west-1", nil), in("cellar", "the-cellar", nil)}, want: "cellar | dublin",
		},
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

package conform

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// targets of the usual questions: two models on six channels, some dear, some
// slow, one that fails, one that is down.
func targets() *host.Generation {
	g := &host.Generation{ID: 1}
	for n := range 12 {
		in, out := float64(n%5)+0.5, float64(n%4)*2+1
		c := sdk.Candidate{
			Channel: channelNamed(n / 2), Model: []string{"m-1", "m-2"}[n%2], Priority: 10 + n/6, Weight: float64(1 + n%3),
			ContextTokens: 8192 << (n % 4),
		}
		if n%3 > 0 {
			c.InputPrice, c.OutputPrice = &in, &out
		}
		g.Candidates = append(g.Candidates, c)
	}
	return g
}

// live is how they do; it is the same at each call.
func live(n int) []host.Live {
	list := make([]host.Live, 0, 12)
	for i := range 12 {
		l := host.Live{Ref: uint32(i), Fallback: i % 2, Health: sdk.HealthUp, TTFT: time.Duration(100+37*i) * time.Millisecond, InFlight: i % 3}
		switch i {
		case 5:
			l.ErrorRate = 0.4
		case 6:
			l.TTFT, l.Health = 0, sdk.HealthUnknown
		}
		list = append(list, l)
	}
	return list[:12-n%3]
}

// request has a value for every fact.
func request(n int) sdk.Request {
	return sdk.Request{
		Model: "m-1", Endpoint: endpoints[n%3], Stream: n%2 == 0, Size: 1024 << (n % 4), Tokens: 256 << (n % 4), Tools: n%4 == 1,
		Images: n%4 == 2, JSON: n%4 == 3, Key: "team-a", Headers: map[string]string{"x-team": "a"}, Region: "eu-west",
		Prefix: uint64(n), Now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC),
	}
}

// picks is a plan without what is for people.
func picks(p sdk.Plan) string {
	out := ""
	for i, t := range p.Tiers {
		if i > 0 {
			out += " | "
		}
		if t.Balance != "" {
			out += string(t.Balance) + ": "
		}
		for j, pick := range t.Picks {
			if j > 0 {
				out += " "
			}
			out += fmt.Sprint(pick.Candidate.Ref)
			if pick.Weight != 0 && pick.Weight != 1 {
				out += fmt.Sprintf("*%.3g", pick.Weight)
			}
		}
	}
	return out
}

// plan is a selector's answer to be compared.
type plan struct {
	Picks string
	Lease sdk.Lease
}

func selectorAsker(s *session) *asker {
	p, g := s.plugin.Selector(), targets()
	raw := proto.NewSelectorClient(s.conn)
	return &asker{
		kind: sdk.KindSelector, timeout: 20 * time.Millisecond, service: &proto.Selector_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			a, err := p.Select(ctx, g, request(n%questions), live(n%questions))
			return plan{picks(a), a.Lease}, err
		},
		large: func(ctx context.Context, bytes int) error {
			r := request(0)
			r.Headers = map[string]string{"x-large": string(make([]byte, bytes))}
			_, err := p.Select(ctx, g, r, live(0))
			return err
		},
		odd: map[string]func(context.Context) error{
			"no candidates": func(ctx context.Context) error {
				_, err := p.Select(ctx, g, request(0), nil)
				return err
			},
			"one candidate, of nothing": func(ctx context.Context) error {
				_, err := p.Select(ctx, &host.Generation{ID: 2, Candidates: []sdk.Candidate{{Channel: &sdk.Channel{}}}},
					sdk.Request{}, []host.Live{{}})
				return err
			},
			"5,000 candidates": func(ctx context.Context) error {
				many := &host.Generation{ID: 3}
				var how []host.Live
				for i := range 5000 {
					many.Candidates = append(many.Candidates, sdk.Candidate{Channel: channelNamed(i), Model: "m-1", Weight: 1})
					how = append(how, host.Live{Ref: uint32(i)})
				}
				_, err := p.Select(ctx, many, request(0), how)
				return err
			},
			"figures that are none": func(ctx context.Context) error {
				how := live(0)
				for i := range how {
					how[i].ErrorRate, how[i].InFlight, how[i].TTFT = math.NaN(), -1, -time.Second
				}
				how[1].ErrorRate = math.Inf(1)
				_, err := p.Select(ctx, g, request(0), how)
				return err
			},
			"a generation that it does not know": func(ctx context.Context) error {
				_, err := raw.Select(ctx, &proto.SelectRequest{Generation: 404, Candidates: []*proto.Live{{}}})
				return err
			},
			"a candidate that was not learned": func(ctx context.Context) error {
				_, err := raw.Select(ctx, &proto.SelectRequest{
					Generation: 1, Candidates: []*proto.Live{{Ref: 1 << 30, Health: 77, Ttft: &durationpb.Duration{Seconds: math.MaxInt64}}},
				})
				return err
			},
			"a candidate on no channel": func(ctx context.Context) error {
				_, err := raw.Learn(ctx, &proto.LearnRequest{Generation: 5, Candidates: []*proto.Candidate{{Channel: 9}}})
				return err
			},
		},
	}
}

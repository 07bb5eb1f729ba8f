// Command plugin-name is a prechecker of Smart AI Router: it says whether a
// target can be reached, before it gets a request.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// prechecker has the config block's attributes, with their defaults in main.
type prechecker struct {
	Slowest time.Duration `config:"slowest" min:"1ms" doc:"a list of models that takes longer counts as not available"`
}

// Check asks for the list of models, which spends no token. The router adds the
// credential: the plugin never sees it.
func (p *prechecker) Check(ctx context.Context, c sdk.Candidate, up sdk.Upstream) (sdk.Availability, error) {
	resp, err := up.Do(ctx, sdk.UpstreamRequest{Endpoint: sdk.Models})
	if err != nil {
		return sdk.Availability{}, fmt.Errorf("list of models of %s: %w", c.Channel.Name, err)
	}
	return sdk.Availability{
		Available: resp.Status == 200 && resp.Latency <= p.Slowest,
		Reason:    fmt.Sprintf("answered %d in %s", resp.Status, resp.Latency.Round(time.Millisecond)),
	}, nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Asks for the list of models, and takes a slow one for not available.", Prechecker: &prechecker{Slowest: time.Second}})
}

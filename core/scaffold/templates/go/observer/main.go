// Command plugin-name is an observer of Smart AI Router: it is told of requests
// when they are over.
package main

import (
	"context"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// observer has the config block's attributes, with their defaults in main.
type observer struct {
	Slow time.Duration `config:"slow" doc:"a request that took longer is logged" min:"0s"`
}

// Observe comes with one batch at a time.
func (o *observer) Observe(_ context.Context, batch []sdk.Outcome) error {
	for _, r := range batch {
		if r.Duration > o.Slow {
			sdk.Log.Warn("slow", "id", r.ID, "model", r.Model, "channel", r.Channel, "took", r.Duration)
		}
	}
	return nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Logs requests that took long.", Observer: &observer{Slow: 10 * time.Second}})
}

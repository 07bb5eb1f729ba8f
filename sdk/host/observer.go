package host

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Observer calls an observer plugin.
type Observer struct {
	plugin *Plugin
	client proto.ObserverClient
}

// Observer is the plugin's observer.
func (p *Plugin) Observer() *Observer {
	return &Observer{plugin: p, client: proto.NewObserverClient(p.calls())}
}

// Observe hands over a batch of decision records.
func (o *Observer) Observe(ctx context.Context, records [][]byte) error {
	_, err := o.client.Observe(ctx, &proto.ObserveRequest{DecisionsJson: records})
	return o.plugin.wrap(err)
}

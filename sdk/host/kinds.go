package host

import (
	"context"
	"math"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Prechecker calls a prechecker plugin.
type Prechecker struct {
	plugin *Plugin
	client proto.PrecheckerClient
}

// Prechecker is the plugin's prechecker.
func (p *Plugin) Prechecker() *Prechecker {
	return &Prechecker{plugin: p, client: proto.NewPrecheckerClient(p.calls())}
}

// Check asks whether a model on a channel can be reached.
func (k *Prechecker) Check(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error) {
	a, err := k.client.Check(ctx, &proto.CheckRequest{Channel: channelToProto(c), Model: model})
	if err != nil {
		return sdk.Availability{}, k.plugin.wrap(err)
	}
	return sdk.Availability{Available: a.GetAvailable(), Reason: a.GetReason(), Lease: leaseFromProto(a.GetLease())}, nil
}

// Prober calls a prober plugin.
type Prober struct {
	plugin *Plugin
	client proto.ProberClient
}

// Prober is the plugin's prober.
func (p *Plugin) Prober() *Prober {
	return &Prober{plugin: p, client: proto.NewProberClient(p.calls())}
}

// Probe asks how a channel does. declaredModels are those of the configuration.
func (k *Prober) Probe(ctx context.Context, c sdk.Channel, declaredModels []string) (sdk.Health, error) {
	a, err := k.client.Probe(ctx, &proto.ProbeRequest{Channel: channelToProto(c), DeclaredModels: declaredModels})
	if err != nil {
		return sdk.Health{}, k.plugin.wrap(err)
	}
	h := sdk.Health{
		Reason: a.GetReason(), Lease: leaseFromProto(a.GetLease()), KeyLease: leaseFromProto(a.GetKeyLease()),
		Listed: a.GetListed(), ModelsLease: leaseFromProto(a.GetModelsLease()),
		SpecsLease: leaseFromProto(a.GetSpecsLease()), PricesLease: leaseFromProto(a.GetPricesLease()),
	}
	if h.State, err = healthFromProto(a.GetHealth()); err != nil {
		return sdk.Health{}, k.plugin.refuse("%v", err)
	}
	if h.Key, err = keyFromProto(a.GetKey()); err != nil {
		return sdk.Health{}, k.plugin.refuse("%v", err)
	}
	for _, m := range a.GetModels() {
		info := sdk.ModelInfo{
			ID: m.GetId(), Created: m.GetCreated(), OwnedBy: m.GetOwnedBy(),
			ContextTokens: m.GetContextTokens(), OutputTokens: m.GetOutputTokens(),
		}
		// What is no price, such as NaN, would upset every comparison.
		if p := m.GetPrice(); p != nil && isPrice(p.GetInput()) && isPrice(p.GetOutput()) {
			info.Price = sdk.Price{Known: true, Input: p.GetInput(), Output: p.GetOutput()}
		}
		h.Models = append(h.Models, info)
	}
	return h, nil
}

func isPrice(v float64) bool { return v >= 0 && !math.IsInf(v, 1) }

// Adapter calls an adapter plugin.
type Adapter struct {
	plugin *Plugin
	client proto.AdapterClient
}

var _ sdk.Adapter = (*Adapter)(nil)

// Adapter is the plugin's adapter.
func (p *Plugin) Adapter() *Adapter {
	return &Adapter{plugin: p, client: proto.NewAdapterClient(p.calls())}
}

// Prepare is part of sdk.Adapter. See also [sdk.IsUnsupported].
func (k *Adapter) Prepare(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	a, err := k.client.Prepare(ctx, &proto.PrepareRequest{
		Channel: channelToProto(c), Model: model, Endpoint: string(e), Stream: stream,
	})
	if err != nil {
		return sdk.Prepared{}, k.plugin.wrap(err)
	}
	prepared, err := preparedFromProto(a)
	if err != nil {
		return sdk.Prepared{}, k.plugin.refuse("prepared for %s: %v", e, err)
	}
	return prepared, nil
}

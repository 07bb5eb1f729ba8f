// Package models is the prober that a configuration gets if it names none. It
// never spends a token.
//
// One GET of a channel's models says three things: that the channel is up, that
// its key is valid, and which models it has. What it says less of:
//
//   - A provider with the setting public_models = "true" lists its models to
//     everyone: nothing is said of the key. The router sets it.
//   - A provider with the setting models_list = "catalogue" lists what it could
//     run, not what this account has deployed: no models are reported.
//   - A provider without a list (404, 405, 501, or no_models) is asked for a
//     chat with a model that is made up. That it does not know the model shows
//     that it is up. Since a POST could be billed, this needs the grant
//     billed_calls, which the plugin has unless its block says grants = []. An
//     upstream that answers such a chat ignores model names; it is flagged as
//     misconfigured and never asked so again, for that answer did spend tokens.
//
// Of many providers it also says how long the contexts and answers of its models
// are, and what they cost.
//
// All leases are left to the step: its interval, key_interval, models_interval,
// specs_interval and prices_interval.
//
//	models.go   the plugin, Probe
//	list.go     the forms in which providers list their models
//	price.go    and what they cost
//	made_up.go  the chat with a made-up model
//	flags.go    who is never asked so again
//	refusal.go  what an error's body says
package models

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// prober is the plugin. It has no config block.
type prober struct {
	flags flags
	now   func() time.Time
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "models", Doc: "Learns health, key validity and models of a channel from its list of models, spending no token.",
		Needs:  []string{sdk.NeedBilledCalls},
		Prober: &prober{now: time.Now},
	}
}

// Start reads what earlier processes flagged.
func (p *prober) Start(_ context.Context, s sdk.Setup) error {
	p.flags.open(s.DataDir)
	return nil
}

// Probe is part of sdk.Prober.
func (p *prober) Probe(ctx context.Context, c sdk.Channel, up sdk.Upstream) (sdk.Health, error) {
	if c.Settings["no_models"] == "true" {
		return p.madeUp(ctx, c, up, "has no list of models")
	}
	resp, err := up.Do(ctx, sdk.UpstreamRequest{Endpoint: sdk.Models})
	switch {
	case sdk.IsUnsupported(err):
		return p.madeUp(ctx, c, up, "has no list of models")
	case err != nil:
		return unreached(ctx, "GET models", err)
	case noSuchEndpoint(resp.Status):
		return p.madeUp(ctx, c, up, fmt.Sprintf("GET models answered %d", resp.Status))
	case resp.Status != http.StatusOK:
		return refused("GET models", resp)
	}
	return listed(c, resp.Body), nil
}

// listed judges a 200.
func listed(c sdk.Channel, body []byte) sdk.Health {
	list, err := parseList(body)
	if err != nil {
		// Such as a web page: the base URL is another one's.
		return sdk.Health{State: sdk.HealthMisconfigured, Reason: "GET models answered 200, but no list: " + err.Error()}
	}
	h := sdk.Health{State: sdk.HealthUp, Reason: fmt.Sprintf("GET models answered 200 with %d models", len(list))}
	if c.Settings["public_models"] != "true" {
		h.Key = sdk.KeyValid
	}
	if c.Settings["models_list"] != "catalogue" {
		h.Listed, h.Models = true, list
	}
	return h
}

// noSuchEndpoint: the path is not served, whatever else is.
func noSuchEndpoint(code int) bool {
	return code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented
}

// unreached judges a request that got no answer. What was never sent says
// nothing about the channel.
func unreached(ctx context.Context, what string, err error) (sdk.Health, error) {
	gone := errors.Is(ctx.Err(), context.Canceled)
	switch code := status.Code(err); {
	case !gone && (code == codes.Unavailable || code == codes.DeadlineExceeded):
		return sdk.Health{State: sdk.HealthDown, Reason: what + ": " + err.Error()}, nil
	default:
		return sdk.Health{}, fmt.Errorf("prober(models): %s: %w", what, err)
	}
}

// refused judges an answer that is neither 200 nor about the endpoint itself.
func refused(what string, resp sdk.UpstreamResponse) (sdk.Health, error) {
	r := refusalOf(resp.Body)
	h := sdk.Health{Reason: fmt.Sprintf("%s answered %d", what, resp.Status)}
	if r.message != "" {
		h.Reason += ": " + r.message
	}
	switch code := resp.Status; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && r.speaksOf("rate limit", "rate_limit", "too many", "throttl"):
		h.State = sdk.HealthUp // busy with us; bans are made of live answers
	case code == http.StatusPaymentRequired:
		h.State = sdk.HealthUp
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && r.speaksOf("scope", "insufficient permission"):
		// A key may be good for chats and not for lists.
		h.State = sdk.HealthUp
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		h.State, h.Key = sdk.HealthUp, sdk.KeyInvalid
	case code == http.StatusRequestTimeout, code >= 500:
		h.State = sdk.HealthDown
	default:
		h.State = sdk.HealthMisconfigured
	}
	return h, nil
}

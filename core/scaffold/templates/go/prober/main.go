// Command plugin-name is a prober of Smart AI Router: it finds out how a channel
// does, behind the requests and without spending a token.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type prober struct{}

// Probe asks for the list of models. The router adds the credential: the plugin
// never sees it. An error means that nothing could be found out.
func (prober) Probe(ctx context.Context, c sdk.Channel, up sdk.Upstream) (sdk.Health, error) {
	resp, err := up.Do(ctx, sdk.UpstreamRequest{Endpoint: sdk.Models})
	if err != nil {
		return sdk.Health{}, fmt.Errorf("list of models of %s: %w", c.Name, err)
	}
	h := sdk.Health{State: sdk.HealthUp, Reason: fmt.Sprintf("GET models answered %d", resp.Status)}
	switch resp.Status {
	case http.StatusOK:
		var list struct {
			Data []struct{ ID string }
		}
		if json.Unmarshal(resp.Body, &list) != nil {
			return sdk.Health{State: sdk.HealthMisconfigured, Reason: "the list of models is no JSON"}, nil
		}
		h.Key, h.Listed = sdk.KeyValid, true
		for _, m := range list.Data {
			h.Models = append(h.Models, sdk.ModelInfo{ID: m.ID})
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		h.Key = sdk.KeyInvalid // it answers, but not for us
	default:
		h.State = sdk.HealthDown
	}
	return h, nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Asks for the list of models.", Prober: prober{}})
}

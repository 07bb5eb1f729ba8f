package models

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// madeUpModel is a name that no provider has.
const madeUpModel = "test-speed-health-check-dummy"

// madeUpChat could cost one token at most, where a provider ignores the name.
const madeUpChat = `{"model":"` + madeUpModel + `","messages":[{"role":"user","content":"ping"}],"max_tokens":1}`

// madeUp asks a channel for a chat with the made-up model. why says why its
// list of models was not enough.
func (p *prober) madeUp(ctx context.Context, c sdk.Channel, up sdk.Upstream, why string) (sdk.Health, error) {
	if since, ok := p.flags.get(c); ok {
		return sdk.Health{
			State: sdk.HealthMisconfigured,
			Reason: fmt.Sprintf("%s, and it answers for a model that does not exist (seen %s): not asked again",
				why, since.Format("2006-01-02 15:04")),
		}, nil
	}
	resp, err := up.Do(ctx, sdk.UpstreamRequest{
		Method: http.MethodPost, Endpoint: sdk.Chat, Model: madeUpModel, Body: []byte(madeUpChat),
	})
	const what = "a chat with a made-up model"
	switch code := status.Code(err); {
	case code == codes.PermissionDenied:
		return sdk.Health{State: sdk.HealthUnknown, Reason: fmt.Sprintf("%s, and %s is not granted: %s", why, what, err)}, nil
	case sdk.IsUnsupported(err):
		return sdk.Health{State: sdk.HealthUnknown, Reason: why + ", and no chat"}, nil
	case err != nil:
		return unreached(ctx, what, err)
	}

	r := refusalOf(resp.Body)
	switch code := resp.Status; {
	case code >= 200 && code < 300:
		p.flags.set(c, p.now())
		sdk.Log.Warn("upstream ignores model names: it is not probed by a made-up model again", "channel", c.Name, "status", code)
		return sdk.Health{
			State:  sdk.HealthMisconfigured,
			Reason: fmt.Sprintf("%s, and %s was answered: it ignores model names", why, what),
		}, nil
	case namesModel(code, r):
		return sdk.Health{State: sdk.HealthUp, Reason: fmt.Sprintf("%s, and %s was refused as unknown (%d)", why, what, code)}, nil
	case noSuchEndpoint(code):
		return sdk.Health{
			State:  sdk.HealthMisconfigured,
			Reason: fmt.Sprintf("%s, and %s found nothing there (%d): is the base URL right?", why, what, code),
		}, nil
	default:
		return refused(what, resp)
	}
}

// theWordModel is in the refusals of those who do not repeat the name: "Model
// Not Exist", model_not_found, InvalidEndpointOrModel.NotFound, and Zhipu's in
// Chinese. The plural is a path or a list, so it says nothing of a model.
var theWordModel = regexp.MustCompile(`model([^s]|$)|模型`)

// namesModel: the refusal is about the model, so all before the model works.
// A 404 of a web server, or one of another API, is not.
func namesModel(code int, r refusal) bool {
	switch code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return r.isJSON && (r.speaksOf(madeUpModel) || theWordModel.MatchString(r.text))
	default:
		return false
	}
}

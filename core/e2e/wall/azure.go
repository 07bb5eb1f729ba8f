package wall

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Azure OpenAI, beside OpenAI's API: the same operations at other addresses, with another credential and a content
// filter. Paths and errors are those of inference.json of 2024-10-21 in github.com/Azure/azure-rest-api-specs,
// specification/cognitiveservices/data-plane/AzureOpenAI, of https://learn.microsoft.com/azure/ai-foundry/openai/latest
// for v1, and of https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter.

// Filtered is a word that the content filter does not let pass.
const Filtered = "unspeakable"

// azureRoot is what all paths of a resource begin with; [Wall.URL] less /v1 is the resource.
const azureRoot = "/openai/"

var datedVersion = regexp.MustCompile(`^20\d\d-\d\d-\d\d(-preview)?$`)

func isAzure(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, azureRoot) }

// azureError is in OpenAI's shape, with a code that may be a status.
func azureError(status int, code, message string) *refusal {
	return &refusal{status: status, code: code, message: message}
}

func (w *Wall) admitAzure(r *http.Request) *refusal {
	key, bearer := r.Header.Get("Api-Key"), r.Header.Get("Authorization")
	if bearer != "" && key == "" {
		key, _ = strings.CutPrefix(bearer, "Bearer ")
	} else if bearer != "" {
		key = ""
	}
	if len(w.keys) > 0 && !slices.Contains(w.keys, key) {
		return azureError(http.StatusUnauthorized, "401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.")
	}
	return nil
}

// azureRoute is the operation that a path of Azure's stands for. It reads the deployment.
func (x *exchange) azureRoute() (route, *refusal) {
	gone := azureError(http.StatusNotFound, "404", "Resource not found")
	path := strings.TrimPrefix(x.request.URL.EscapedPath(), azureRoot)
	if rest, v1 := strings.CutPrefix(path, "v1/"); v1 {
		path = rest
	} else {
		if !datedVersion.MatchString(x.request.URL.Query().Get("api-version")) {
			return route{}, gone
		}
		if rest, deployed := strings.CutPrefix(path, "deployments/"); deployed {
			name, operation, _ := strings.Cut(rest, "/")
			x.model, _ = url.PathUnescape(name) // of a path that net/http has parsed
			if path = operation; !slices.Contains(x.wall.models, x.model) {
				return route{}, azureError(http.StatusNotFound, "DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.")
			}
		} else if path != "models" && path != "responses" {
			return route{}, gone
		}
	}
	found, ok := routes["/v1/"+path]
	if !ok || path == "moderations" || path == "rerank" || path == "messages" {
		return route{}, gone
	}
	if strings.Contains(string(x.body), Filtered) {
		return route{}, &refusal{
			status: http.StatusBadRequest, code: "content_filter", param: "prompt",
			message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
		}
	}
	return found, nil
}

// filterResults is Azure's first event of a chat: of the prompt alone, without a name or a choice.
var filterResults = []byte(`data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"filtered":false,"detected":false}}}]}` + "\n\n")

package openai

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Read is [ReadForm] of a form, else [ReadRequest].
func Read(e sdk.Endpoint, contentType string, body []byte) (wire.Request, error) {
	if IsForm(contentType) {
		return ReadForm(e, contentType, body)
	}
	return ReadRequest(e, body)
}

// IsForm tells a form by its content type.
func IsForm(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data")
}

package openai

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Read is [ReadForm] of a form, else [ReadRequest].
func Read(e sdk.Endpoint, contentType string, body []byte) (wire.Request, error) {
	if kind, _, _ := strings.Cut(contentType, ";"); strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data") {
		return ReadForm(e, contentType, body)
	}
	return ReadRequest(e, body)
}

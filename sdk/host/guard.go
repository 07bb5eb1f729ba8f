package host

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Guard calls a guard plugin.
type Guard struct {
	plugin *Plugin
	client proto.GuardClient
}

// Guard is the plugin's guard.
func (p *Plugin) Guard() *Guard {
	return &Guard{plugin: p, client: proto.NewGuardClient(p.calls())}
}

// Ruling is a guard's answer. A rejection has a status, a code and a message.
type Ruling struct {
	Rejection *sdk.Rejection
	// Patch is a JSON array, for the body; nil: it stays as it is.
	Patch []byte
	Lease sdk.Lease
}

const (
	// maxMessage is the longest message of a rejection, in bytes.
	maxMessage = 8 << 10
	// maxCode is that of its code.
	maxCode = 64
	// defaultStatus and defaultCode are those of a rejection that names none.
	defaultStatus, defaultCode = 400, "request_rejected"
)

// errorCode is compiled at its first use: no plugin judges an answer.
var errorCode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]*$`) })

// Inspect asks whether a request may pass. The prompt is nil where the plugin
// is not to see it.
func (g *Guard) Inspect(ctx context.Context, r sdk.Request, prompt []byte) (Ruling, error) {
	a, err := g.client.Inspect(ctx, &proto.InspectRequest{Request: requestToProto(r), PromptJson: prompt})
	if err != nil {
		return Ruling{}, g.plugin.wrap(err)
	}
	out := Ruling{Lease: leaseFromProto(a.GetLease())}
	if p := a.GetPatchJson(); len(p) > 0 {
		if out.Patch = p; !json.Valid(p) {
			return Ruling{}, g.plugin.refuse("ruling: the patch is no JSON")
		}
	}
	if a.GetReject() == nil {
		return out, nil
	}
	if out.Rejection, err = rejectionFromProto(a.GetReject()); err != nil {
		return Ruling{}, g.plugin.refuse("ruling: %v", err)
	}
	if out.Patch != nil {
		return Ruling{}, g.plugin.refuse("ruling: it both rejects and edits")
	}
	return out, nil
}

func rejectionFromProto(p *proto.Rejection) (*sdk.Rejection, error) {
	r := &sdk.Rejection{Status: int(p.GetStatus()), Code: p.GetCode(), Message: p.GetMessage()}
	if r.Status == 0 {
		r.Status = defaultStatus
	}
	if r.Code == "" {
		r.Code = defaultCode
	}
	switch {
	case r.Status < 400 || r.Status > 599:
		return nil, fmt.Errorf("the status %d is none of an error", r.Status)
	case len(r.Code) > maxCode || !errorCode().MatchString(r.Code):
		return nil, fmt.Errorf("the code %.80q is not of lower-case letters, digits and _", r.Code)
	case r.Message == "":
		return nil, fmt.Errorf("the rejection has no message")
	case len(r.Message) > maxMessage:
		return nil, fmt.Errorf("the message is longer than %d bytes", maxMessage)
	}
	return r, nil
}

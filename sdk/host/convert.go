package host

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

func manifestFromProto(p *proto.Manifest) sdk.Manifest {
	m := sdk.Manifest{
		Name: p.GetName(), Version: p.GetVersion(), Doc: p.GetDoc(), Computes: p.GetComputes(), Lane: p.GetLane(),
		Needs: p.GetNeeds(), Fields: fieldsFromProto(p.GetFields()),
	}
	for _, k := range p.GetKinds() {
		m.Kinds = append(m.Kinds, sdk.Kind(k))
	}
	for _, f := range p.GetReads() {
		m.Reads = append(m.Reads, sdk.Fact(f))
	}
	return m
}

func fieldsFromProto(ps []*proto.Field) (fields []sdk.Field) {
	for _, p := range ps {
		fields = append(fields, sdk.Field{
			Name: p.GetName(), Type: sdk.FieldType(p.GetType()), Required: p.GetRequired(), Doc: p.GetDoc(),
			Default: p.GetDefaultJson(), Fields: fieldsFromProto(p.GetFields()),
			Min: p.GetMin(), Max: p.GetMax(),
		})
	}
	return fields
}

// leaseFromProto puts a lease into range: below zero is none, and above the most
// is the most.
func leaseFromProto(l *proto.Lease) sdk.Lease {
	if l.GetFresh() == nil {
		return sdk.Lease{}
	}
	within := func(d time.Duration) time.Duration { return max(0, min(d, sdk.MaxLease)) }
	fresh := l.GetFresh().AsDuration()
	lease := sdk.Lease{Fresh: within(fresh), Stale: within(l.GetStale().AsDuration())}
	if fresh < 0 || lease == (sdk.Lease{}) {
		return sdk.NoLease
	}
	return lease
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromProto(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func durationToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func channelToProto(c sdk.Channel) *proto.Channel {
	return &proto.Channel{
		Name: c.Name, Provider: c.Provider, BaseUrl: c.BaseURL, Region: c.Region, Tags: c.Tags, Settings: c.Settings,
		Secret: c.Secret.Reveal(),
	}
}

func requestToProto(r sdk.Request) *proto.Request {
	return &proto.Request{
		Model: r.Model, Endpoint: string(r.Endpoint), Stream: r.Stream, Size: r.Size, Tokens: r.Tokens, Tools: r.Tools,
		Images: r.Images, Json: r.JSON, Key: r.Key, Headers: r.Headers, Region: r.Region, Prefix: r.Prefix,
		Now: timeToProto(r.Now),
	}
}

func healthFromProto(h proto.Health) (sdk.HealthState, error) {
	if h < proto.Health_HEALTH_UNKNOWN || h > proto.Health_HEALTH_MISCONFIGURED {
		return 0, fmt.Errorf("unknown health %d", h)
	}
	return sdk.HealthState(h), nil
}

func keyFromProto(k proto.KeyState) (sdk.KeyState, error) {
	if k < proto.KeyState_KEY_STATE_UNKNOWN || k > proto.KeyState_KEY_STATE_INVALID {
		return 0, fmt.Errorf("unknown key state %d", k)
	}
	return sdk.KeyState(k), nil
}

func preparedFromProto(p *proto.Prepared) (sdk.Prepared, error) {
	a := sdk.Prepared{URL: p.GetUrl(), Codec: p.GetCodec(), Model: p.GetModel(), Lease: leaseFromProto(p.GetLease())}
	if u, err := url.Parse(a.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return a, fmt.Errorf("the URL %q is no http or https URL", a.URL)
	}
	for _, h := range p.GetHeaders() {
		a.Headers = append(a.Headers, sdk.Header{Name: h.GetName(), Value: h.GetValue()})
	}
	for _, e := range p.GetEdits() {
		edit := sdk.Edit{Op: sdk.EditOp(e.GetOp()), Field: e.GetField(), Value: json.RawMessage(e.GetValueJson()), To: e.GetTo()}
		if err := checkEdit(edit); err != nil {
			return a, err
		}
		a.Edits = append(a.Edits, edit)
	}
	var err error
	a.Auth, err = authFromProto(p.GetAuth())
	return a, err
}

func checkEdit(e sdk.Edit) error {
	switch e.Op {
	case sdk.EditSet, sdk.EditDefault:
		if !json.Valid(e.Value) {
			return fmt.Errorf("edit %s %q: the value is no JSON", e.Op, e.Field)
		}
	case sdk.EditRename:
		if e.To == "" {
			return fmt.Errorf("edit rename %q: no new name", e.Field)
		}
	case sdk.EditDelete:
	default:
		return fmt.Errorf("unknown edit %q", string(e.Op))
	}
	if e.Field == "" {
		return fmt.Errorf("edit %s: no field", e.Op)
	}
	return nil
}

func authFromProto(p *proto.Auth) (sdk.Auth, error) {
	a := sdk.Auth{
		Kind: sdk.AuthKind(p.GetKind()), Name: p.GetName(), Value: p.GetValue(), Expires: timeFromProto(p.GetExpires()),
		Service: p.GetService(), Region: p.GetRegion(),
	}
	switch a.Kind {
	case "":
		a.Kind = sdk.AuthNone
	case sdk.AuthNone, sdk.AuthBearer, sdk.AuthGoogle:
	case sdk.AuthHeader, sdk.AuthQuery:
		if a.Name == "" {
			return a, fmt.Errorf("auth %s: no name", a.Kind)
		}
	case sdk.AuthSigV4:
		if a.Service == "" || a.Region == "" {
			return a, fmt.Errorf("auth sigv4: no service, or no region")
		}
	case sdk.AuthMinted:
		if a.Value == "" {
			return a, fmt.Errorf("auth minted: no value")
		}
	default:
		return a, fmt.Errorf("unknown auth %q", string(a.Kind))
	}
	return a, nil
}

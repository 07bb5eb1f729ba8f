package host

import (
	"context"
	"errors"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// stranger is a plugin that was written without the SDK and answers as it likes.
type stranger struct {
	proto.UnimplementedPluginServer
	proto.UnimplementedSelectorServer
	proto.UnimplementedProberServer
	proto.UnimplementedAdapterServer
	proto.UnimplementedCacheServer

	manifest *proto.Manifest
	plan     *proto.Plan
	health   *proto.ProbeResponse
	prepared *proto.Prepared

	learned atomic.Int32
	learn   func(context.Context) error // nil: at once
}

func (s *stranger) Describe(context.Context, *proto.DescribeRequest) (*proto.Manifest, error) {
	return s.manifest, nil
}

func (s *stranger) Learn(ctx context.Context, _ *proto.LearnRequest) (*proto.LearnResponse, error) {
	s.learned.Add(1)
	if s.learn != nil {
		return &proto.LearnResponse{}, s.learn(ctx)
	}
	return &proto.LearnResponse{}, nil
}

func (s *stranger) Select(context.Context, *proto.SelectRequest) (*proto.Plan, error) {
	return s.plan, nil
}

func (s *stranger) Probe(context.Context, *proto.ProbeRequest) (*proto.ProbeResponse, error) {
	return s.health, nil
}

func (s *stranger) Prepare(context.Context, *proto.PrepareRequest) (*proto.Prepared, error) {
	return s.prepared, nil
}

func (s *stranger) Changes(context.Context, *proto.ChangesRequest) (*proto.ChangesResponse, error) {
	return &proto.ChangesResponse{}, nil
}

// connect serves s at a unix socket and connects to it.
func connect(t *testing.T, s *stranger) (*Plugin, error) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	proto.RegisterPluginServer(g, s)
	proto.RegisterSelectorServer(g, s)
	proto.RegisterProberServer(g, s)
	proto.RegisterAdapterServer(g, s)
	proto.RegisterCacheServer(g, s)
	h := health.NewServer()
	h.SetServingStatus(healthService, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(g, h)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient("unix://"+socket, DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return Connect(t.Context(), "selector(odd)", Link{Conn: conn, Protocol: sdk.ProtocolVersion})
}

func goodManifest() *proto.Manifest {
	return &proto.Manifest{Name: "odd", Version: "1", Kinds: []string{"selector"}}
}

func mustConnect(t *testing.T, s *stranger) *Plugin {
	t.Helper()
	s.manifest = goodManifest()
	p, err := connect(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestManifestIsChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*proto.Manifest)
		want   string
	}{
		{name: "name", change: func(m *proto.Manifest) { m.Name = "Odd One" }, want: `the name "Odd One" is not of lower-case letters, digits, - and _`},
		{name: "version", change: func(m *proto.Manifest) { m.Version = "" }, want: "no version"},
		{name: "no kind", change: func(m *proto.Manifest) { m.Kinds = nil }, want: "no kind"},
		{name: "kind", change: func(m *proto.Manifest) { m.Kinds = []string{"oracle"} }, want: `unknown kind "oracle"`},
		{name: "kind twice", change: func(m *proto.Manifest) { m.Kinds = []string{"cache", "cache"} }, want: "the kind cache is there twice"},
		{name: "fact", change: func(m *proto.Manifest) { m.Reads = []string{"prompt"} }, want: `reads: unknown fact "prompt"`},
		{name: "header", change: func(m *proto.Manifest) { m.Reads = []string{"header:X-A"} }, want: `reads: fact "header:X-A": a header's name is of lower-case letters, digits, - and _`},
		{name: "need", change: func(m *proto.Manifest) { m.Needs = []string{"root"} }, want: `unknown need "root"`},
		{name: "field name", change: func(m *proto.Manifest) { m.Fields = []*proto.Field{{Name: "A", Type: "int"}} }, want: `field "A": the name is not of lower-case letters, digits and _`},
		{name: "field twice", change: func(m *proto.Manifest) {
			m.Fields = []*proto.Field{{Name: "a", Type: "int"}, {Name: "a", Type: "int"}}
		}, want: "field a is there twice"},
		{name: "field type", change: func(m *proto.Manifest) { m.Fields = []*proto.Field{{Name: "a", Type: "i32"}} }, want: `field a: unknown type "i32"`},
		{name: "default", change: func(m *proto.Manifest) {
			m.Fields = []*proto.Field{{Name: "a", Type: "int", DefaultJson: "{"}}
		}, want: "field a: the default is no JSON"},
		{name: "empty block", change: func(m *proto.Manifest) { m.Fields = []*proto.Field{{Name: "a", Type: "block"}} }, want: "block a has no fields"},
		{name: "fields of no block", change: func(m *proto.Manifest) {
			m.Fields = []*proto.Field{{Name: "a", Type: "int", Fields: []*proto.Field{{Name: "b", Type: "int"}}}}
		}, want: "field a is no block and has fields"},
		{name: "nested", change: func(m *proto.Manifest) {
			m.Fields = []*proto.Field{{Name: "a", Type: "block", Fields: []*proto.Field{{Name: "b"}}}}
		}, want: `block a: field b: unknown type ""`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := goodManifest()
			tc.change(m)
			_, err := connect(t, &stranger{manifest: m})
			if want := "selector(odd): manifest: " + tc.want; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestLaneThatIsPromisedMustBeThere(t *testing.T) {
	t.Parallel()
	m := goodManifest()
	m.Lane = true
	if _, err := connect(t, &stranger{manifest: m}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
}

// generation has two candidates, of which the second is offered.
var generation = &Generation{ID: 1, Candidates: []sdk.Candidate{
	{Channel: &sdk.Channel{Name: "a"}, Model: "m"}, {Channel: &sdk.Channel{Name: "b"}, Model: "m"},
}}

var offered = []Live{{Ref: 1, InFlight: 3}}

func tier(balance string, picks ...*proto.Pick) *proto.Plan {
	return &proto.Plan{Tiers: []*proto.Tier{{Balance: balance, Picks: picks}}}
}

func TestPlanIsChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		plan *proto.Plan
		want string
	}{
		{name: "empty", plan: &proto.Plan{}, want: "no picks; where no candidate fits, answer an error that says why"},
		{name: "empty tier", plan: tier(""), want: "no picks; where no candidate fits, answer an error that says why"},
		{name: "not offered", plan: tier("", &proto.Pick{Ref: 0}), want: "tier 1: candidate 0 was not offered"},
		{name: "out of range", plan: tier("", &proto.Pick{Ref: math.MaxUint32}), want: "tier 1: candidate 4294967295 was not offered"},
		{name: "twice", plan: tier("", &proto.Pick{Ref: 1}, &proto.Pick{Ref: 1}), want: "tier 1: m on b is in the plan already"},
		{name: "negative", plan: tier("", &proto.Pick{Ref: 1, Weight: -0.1}), want: "tier 1: m on b has the weight -0.1"},
		{name: "NaN", plan: tier("", &proto.Pick{Ref: 1, Weight: math.NaN()}), want: "tier 1: m on b has the weight NaN"},
		{name: "infinite", plan: tier("", &proto.Pick{Ref: 1, Weight: math.Inf(1)}), want: "tier 1: m on b has the weight +Inf"},
		{name: "balance", plan: tier("round_robin", &proto.Pick{Ref: 1}), want: `tier 1: unknown balance "round_robin"`},
		{name: "hash", plan: tier("hash:", &proto.Pick{Ref: 1}), want: `tier 1: balance "hash:": unknown fact ""`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := mustConnect(t, &stranger{plan: tc.plan}).Selector().Select(t.Context(), generation, sdk.Request{}, offered)
			if want := "selector(odd): plan: " + tc.want; err == nil || err.Error() != want || status.Code(err) != codes.Internal {
				t.Errorf("got %v (%v), want %s", err, status.Code(err), want)
			}
		})
	}
}

func TestLeases(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		wire *proto.Lease
		want sdk.Lease
	}{
		{name: "unset"},
		{name: "fresh unset", wire: &proto.Lease{Stale: durationpb.New(time.Second)}},
		{name: "never", wire: &proto.Lease{Fresh: durationpb.New(0)}, want: sdk.NoLease},
		{name: "negative", wire: &proto.Lease{Fresh: durationpb.New(-time.Hour), Stale: durationpb.New(time.Hour)}, want: sdk.NoLease},
		{name: "stale at once", wire: &proto.Lease{Fresh: durationpb.New(0), Stale: durationpb.New(time.Second)}, want: sdk.Lease{Stale: time.Second}},
		{name: "negative stale", wire: &proto.Lease{Fresh: durationpb.New(time.Second), Stale: durationpb.New(-1)}, want: sdk.For(time.Second)},
		{name: "ten years", wire: &proto.Lease{Fresh: durationpb.New(10 * 365 * 24 * time.Hour), Stale: durationpb.New(math.MaxInt64)}, want: sdk.Lease{Fresh: sdk.MaxLease, Stale: sdk.MaxLease}},
		{name: "more seconds than a duration has", wire: &proto.Lease{Fresh: &durationpb.Duration{Seconds: math.MaxInt64}}, want: sdk.For(sdk.MaxLease)},
		{name: "less seconds than a duration has", wire: &proto.Lease{Fresh: &durationpb.Duration{Seconds: math.MinInt64}}, want: sdk.NoLease},
		{name: "both", wire: &proto.Lease{Fresh: durationpb.New(1), Stale: durationpb.New(2)}, want: sdk.Lease{Fresh: 1, Stale: 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan := tier("", &proto.Pick{Ref: 1})
			plan.Lease = tc.wire
			got, err := mustConnect(t, &stranger{plan: plan}).Selector().Select(t.Context(), generation, sdk.Request{}, offered)
			if err != nil || got.Lease != tc.want {
				t.Errorf("got %+v, %v; want %+v", got.Lease, err, tc.want)
			}
		})
	}
}

func TestGenerationIsLearnedOnce(t *testing.T) {
	t.Parallel()
	s := &stranger{plan: tier("", &proto.Pick{Ref: 1})}
	selector := mustConnect(t, s).Selector()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			plan, err := selector.Select(t.Context(), generation, sdk.Request{}, offered)
			if err != nil || plan.Tiers[0].Picks[0].Candidate.InFlight != 3 {
				t.Errorf("got %+v, %v", plan, err)
			}
		})
	}
	all.Wait()
	if n := s.learned.Load(); n != 1 {
		t.Errorf("learned %d times", n)
	}
}

func TestImpatientCallerDoesNotSpoilLearning(t *testing.T) {
	t.Parallel()
	entered, goOn := make(chan struct{}), make(chan struct{})
	s := &stranger{plan: tier("", &proto.Pick{Ref: 1}), learn: func(ctx context.Context) error {
		close(entered)
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	selector := mustConnect(t, s).Selector()
	impatient, leave := context.WithCancel(t.Context())
	go func() {
		<-entered
		leave()
	}()
	if _, err := selector.Select(impatient, generation, sdk.Request{}, offered); !errors.Is(err, context.Canceled) {
		t.Errorf("impatient: got %v", err)
	}
	close(goOn)
	if _, err := selector.Select(t.Context(), generation, sdk.Request{}, offered); err != nil {
		t.Errorf("patient: got %v", err)
	}
	if n := s.learned.Load(); n != 1 {
		t.Errorf("learned %d times", n)
	}
}

func TestFailedLearningIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := &stranger{plan: tier("", &proto.Pick{Ref: 1})}
	s.learn = func(context.Context) error {
		if s.learned.Load() == 1 {
			return errors.New("no room")
		}
		return nil
	}
	selector := mustConnect(t, s).Selector()
	if _, err := selector.Select(t.Context(), generation, sdk.Request{}, offered); err == nil || err.Error() != "selector(odd): no room" {
		t.Errorf("got %v", err)
	}
	if _, err := selector.Select(t.Context(), generation, sdk.Request{}, offered); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestPreparedIsChecked(t *testing.T) {
	t.Parallel()
	edit := func(e *proto.Edit) *proto.Prepared { return &proto.Prepared{Url: "http://u", Edits: []*proto.Edit{e}} }
	auth := func(a *proto.Auth) *proto.Prepared { return &proto.Prepared{Url: "http://u", Auth: a} }
	for _, tc := range []struct {
		name string
		wire *proto.Prepared
		want string
	}{
		{name: "no URL", wire: &proto.Prepared{}, want: `the URL "" is no http or https URL`},
		{name: "file", wire: &proto.Prepared{Url: "file:///etc/passwd"}, want: `the URL "file:///etc/passwd" is no http or https URL`},
		{name: "no host", wire: &proto.Prepared{Url: "https:///v1"}, want: `the URL "https:///v1" is no http or https URL`},
		{name: "garbage", wire: &proto.Prepared{Url: "http://[::1"}, want: `the URL "http://[::1" is no http or https URL`},
		{name: "edit", wire: edit(&proto.Edit{Op: "move", Field: "f"}), want: `unknown edit "move"`},
		{name: "no field", wire: edit(&proto.Edit{Op: "delete"}), want: "edit delete: no field"},
		{name: "no JSON", wire: edit(&proto.Edit{Op: "set", Field: "f", ValueJson: "x"}), want: `edit set "f": the value is no JSON`},
		{name: "no new name", wire: edit(&proto.Edit{Op: "rename", Field: "f"}), want: `edit rename "f": no new name`},
		{name: "auth", wire: auth(&proto.Auth{Kind: "basic"}), want: `unknown auth "basic"`},
		{name: "header without name", wire: auth(&proto.Auth{Kind: "header"}), want: "auth header: no name"},
		{name: "minted without value", wire: auth(&proto.Auth{Kind: "minted"}), want: "auth minted: no value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := mustConnect(t, &stranger{prepared: tc.wire}).Adapter().Prepare(t.Context(), sdk.Channel{}, "m", sdk.Chat, false)
			if want := "selector(odd): prepared for chat: " + tc.want; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	p, err := mustConnect(t, &stranger{prepared: &proto.Prepared{Url: "https://u/v1"}}).Adapter().Prepare(t.Context(), sdk.Channel{}, "m", sdk.Chat, false)
	if err != nil || p.Auth.Kind != sdk.AuthNone {
		t.Errorf("no auth: got %+v, %v", p, err)
	}
}

func TestHealthIsChecked(t *testing.T) {
	t.Parallel()
	for want, wire := range map[string]*proto.ProbeResponse{
		"unknown health 9":    {Health: 9},
		"unknown health -1":   {Health: -1},
		"unknown key state 3": {Key: 3},
	} {
		_, err := mustConnect(t, &stranger{health: wire}).Prober().Probe(t.Context(), sdk.Channel{}, nil)
		if err == nil || err.Error() != "selector(odd): "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEmptyCursorIsRefused(t *testing.T) {
	t.Parallel()
	_, err := mustConnect(t, &stranger{}).Cache().Changes(t.Context(), sdk.ChangesQuery{})
	if err == nil || !strings.Contains(err.Error(), "the cursor is empty") {
		t.Errorf("got %v", err)
	}
}

func TestPluginWithoutLane(t *testing.T) {
	t.Parallel()
	p := mustConnect(t, &stranger{})
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if s := p.LaneStats(); s.Calls != 0 || s.Frames != 0 {
		t.Errorf("got %+v", s)
	}
	if _, err := p.Prechecker().Check(t.Context(), sdk.Channel{}, "m"); status.Code(err) != codes.Unimplemented {
		t.Errorf("a kind that it is not: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

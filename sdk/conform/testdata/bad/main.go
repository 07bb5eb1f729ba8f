// Command bad is a selector without the SDK, as a plugin in another language
// is one: it serves the contract by plain gRPC. Its argument names what it does
// wrong; without one it does all as it should. Where that begins with guard or
// observer, it is one of these.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

func main() {
	b := &bad{seen: map[uint64]bool{}}
	if len(os.Args) > 1 {
		b.does = os.Args[1]
	}
	if os.Getenv("SMARTROUTER_PLUGIN") == "" {
		fmt.Println("a plugin for tests: the router starts it")
		os.Exit(1)
	}
	switch b.does {
	case "print-early":
		fmt.Println("hello, world")
	case "never-ready":
		select {}
	case "crash-at-start":
		panic("no disk")
	}
	if b.does != "mortal" {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	if b.does != "deaf" {
		go watchLifeline()
	}
	b.serve()
}

// watchLifeline ends the process with the router.
func watchLifeline() {
	lifeline := os.NewFile(3, "lifeline")
	_, _ = lifeline.Read(make([]byte, 1))
	os.Exit(1)
}

func (b *bad) serve() {
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "bad.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	opts := []grpc.ServerOption{grpc.MaxRecvMsgSize(64 << 20), grpc.MaxSendMsgSize(1 << 30)}
	if b.does == "small-limit" {
		opts = nil // 4 MiB
	}
	b.server = grpc.NewServer(opts...)
	proto.RegisterPluginServer(b.server, b)
	switch b.kind() {
	case "guard":
		proto.RegisterGuardServer(b.server, guard{bad: b})
	case "observer":
		proto.RegisterObserverServer(b.server, observer{bad: b})
	default:
		proto.RegisterSelectorServer(b.server, selector{bad: b})
	}
	h := health.NewServer()
	h.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(b.server, h)
	version := "2"
	switch {
	case b.does == "old-version", !strings.Contains(os.Getenv("PLUGIN_PROTOCOL_VERSIONS"), "2") && b.does != "new-version":
		version = "1"
	case b.does == "wrong-version":
		version = "7"
	}
	fmt.Printf("1|%s|unix|%s|grpc|\n", version, socket)
	if err := b.server.Serve(l); err != nil {
		panic(err)
	}
}

type bad struct {
	proto.UnimplementedPluginServer
	does   string
	server *grpc.Server
	calls  atomic.Int64
	seen   map[uint64]bool
}

// kind is that of the plugin: what it does says so, and is else a selector's.
func (b *bad) kind() string {
	for _, kind := range []string{"guard", "observer"} {
		if strings.HasPrefix(b.does, kind) {
			return kind
		}
	}
	return "selector"
}

func (b *bad) Describe(context.Context, *proto.DescribeRequest) (*proto.Manifest, error) {
	return &proto.Manifest{
		Name: "bad", Version: "1.0.0", Doc: "Does one thing wrong.", Kinds: []string{b.kind()},
		Reads:  []string{"model"},
		Fields: []*proto.Field{{Name: "level", Type: "int", Doc: "how bad", DefaultJson: "1"}},
	}, nil
}

func (b *bad) Configure(_ context.Context, r *proto.ConfigureRequest) (*proto.ConfigureResponse, error) {
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(r.GetConfigJson(), &attrs); err != nil && len(r.GetConfigJson()) > 0 {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	resp := &proto.ConfigureResponse{}
	for name, value := range attrs {
		var n int
		e := &proto.ConfigError{Path: name}
		switch {
		case name != "level":
			e.Message = "is unknown"
		case json.Unmarshal(value, &n) != nil:
			e.Message = "is no number"
		default:
			continue
		}
		switch b.does {
		case "takes-any-config":
			continue
		case "names-no-attribute":
			e.Path = ""
		}
		resp.Errors = append(resp.Errors, e)
	}
	return resp, nil
}

func (b *bad) Stop(context.Context, *proto.StopRequest) (*proto.StopResponse, error) {
	if b.does != "never-stops" {
		time.AfterFunc(10*time.Millisecond, func() { os.Exit(0) })
	}
	return &proto.StopResponse{}, nil
}

func (b *bad) Vitals(context.Context, *proto.VitalsRequest) (*proto.VitalsResponse, error) {
	if b.does == "leak-memory" { // and can't tell
		return nil, status.Error(codes.Unimplemented, "no vitals")
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &proto.VitalsResponse{Tasks: int64(runtime.NumGoroutine()), HeapBytes: int64(m.HeapAlloc)}, nil
}

type selector struct {
	proto.UnimplementedSelectorServer
	*bad
}

func (s selector) Learn(context.Context, *proto.LearnRequest) (*proto.LearnResponse, error) {
	return &proto.LearnResponse{}, nil
}

// leaked is what nobody frees.
var leaked [][]byte

// Select plans the candidates as they come.
func (s selector) Select(ctx context.Context, r *proto.SelectRequest) (*proto.Plan, error) {
	cs := r.GetCandidates()
	if len(cs) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no candidates")
	}
	plan := &proto.Plan{}
	for _, c := range cs {
		plan.Tiers = append(plan.Tiers, &proto.Tier{Picks: []*proto.Pick{{Ref: c.GetRef(), Reason: "as it comes"}}})
	}
	switch n := s.calls.Add(1); s.does {
	case "crash":
		if n%50 == 20 {
			panic("boom")
		}
	case "crash-always":
		os.Exit(3)
	case "crash-on-odd":
		if cs[0].GetErrorRate() != cs[0].GetErrorRate() {
			panic("not a number")
		}
	case "hang":
		if n%50 == 20 {
			select {}
		}
	case "hang-always":
		select {}
	case "slow":
		select {
		case <-time.After(60 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "flood-stderr":
		fmt.Fprint(os.Stderr, strings.Repeat("a line of no use\n", 50))
	case "print-late":
		fmt.Println(strings.Repeat("x", 100<<10))
	case "huge-answer":
		if n%50 == 20 {
			plan.Tiers[0].Picks[0].Reason = strings.Repeat("x", 80<<20)
		}
	case "big-answer":
		if n%50 == 20 {
			plan.Tiers[0].Picks[0].Reason = strings.Repeat("x", 2<<20)
		}
	case "fork":
		if n%50 == 1 { // of thousands of calls: there are others on the machine
			_ = exec.Command("/bin/sleep", "600").Start()
		}
	case "fork-away":
		c := exec.Command("/bin/sleep", "600")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if n < 20 {
			_ = c.Start()
		}
	case "leak-memory":
		b := make([]byte, 64<<10)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		leaked = append(leaked, b)
	case "leak-heap":
		leaked = append(leaked, make([]byte, 16<<10))
	case "leak-goroutines":
		go func() { select {} }()
	case "leak-files":
		if n < 5000 {
			_, _ = syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		}
	case "answer-at-random":
		rand.Shuffle(len(plan.Tiers), func(i, j int) { plan.Tiers[i], plan.Tiers[j] = plan.Tiers[j], plan.Tiers[i] })
	case "lease-below-zero":
		plan.Lease = &proto.Lease{Fresh: durationpb.New(-time.Hour)}
	case "lease-for-ever":
		plan.Lease = &proto.Lease{Fresh: durationpb.New(100 * 365 * 24 * time.Hour)}
	case "read-undeclared":
		if r.GetRequest().GetKey() == "team-a" {
			plan.Tiers = plan.Tiers[:1]
		}
	case "pick-a-stranger":
		plan.Tiers[0].Picks[0].Ref = 1 << 20
	case "answer-nothing":
		plan.Tiers = nil
	}
	return plan, nil
}

type guard struct {
	proto.UnimplementedGuardServer
	*bad
}

// Inspect lets everything pass.
func (g guard) Inspect(_ context.Context, r *proto.InspectRequest) (*proto.Ruling, error) {
	switch n := g.calls.Add(1); g.does {
	case "guard-rejects-and-edits":
		return &proto.Ruling{Reject: &proto.Rejection{Message: "no"}, PatchJson: []byte("[]")}, nil
	case "guard-rejects-without-a-word":
		return &proto.Ruling{Reject: &proto.Rejection{}}, nil
	case "guard-patches-nothing-known":
		return &proto.Ruling{PatchJson: []byte(`[{"op":"mask","path":"/prompt"}]`)}, nil
	case "guard-patches-nowhere":
		return &proto.Ruling{PatchJson: []byte(`[{"op":"replace","path":"prompt","value":"x"}]`)}, nil
	case "guard-at-random":
		if rand.IntN(2) == 0 {
			return &proto.Ruling{Reject: &proto.Rejection{Message: "no"}}, nil
		}
	case "guard-lease-for-ever":
		return &proto.Ruling{Lease: &proto.Lease{Fresh: durationpb.New(100 * 365 * 24 * time.Hour)}}, nil
	case "guard-crashes-on-odd":
		if len(r.GetPromptJson()) > 0 && !json.Valid(r.GetPromptJson()) {
			panic("no JSON")
		}
	case "guard-hangs":
		if n%50 == 20 {
			select {}
		}
	}
	return &proto.Ruling{}, nil
}

type observer struct {
	proto.UnimplementedObserverServer
	*bad
}

// Observe takes everything.
func (o observer) Observe(_ context.Context, r *proto.ObserveRequest) (*proto.ObserveResponse, error) {
	switch o.does {
	case "observer-refuses":
		return nil, status.Error(codes.Internal, "no disk")
	case "observer-keeps-all":
		for _, d := range r.GetDecisionsJson() {
			leaked = append(leaked, append(make([]byte, 16<<10), d...))
		}
	case "observer-crashes-on-odd":
		for _, d := range r.GetDecisionsJson() {
			if !json.Valid(d) {
				panic("no JSON")
			}
		}
	}
	return &proto.ObserveResponse{}, nil
}

package lane_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// The test binary run again with this set to "inline" or "goroutines" is a plugin that serves on file descriptor 3.
const pluginEnv = "LANE_TEST_PLUGIN"

const testWait = time.Minute

func TestMain(m *testing.M) {
	if mode := os.Getenv(pluginEnv); mode != "" {
		servePlugin(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// service is a small plugin. Its methods are served under /lanetest.Service/.
type service struct {
	entered chan context.Context // gets the context of each Wait
	release chan struct{}        // closed: Stick returns
}

func newService() *service {
	return &service{entered: make(chan context.Context, 100), release: make(chan struct{})}
}

func (s *service) echo(_ context.Context, in *wrapperspb.BytesValue) (proto.Message, error) {
	return in, nil
}

// grow returns as many bytes as it is asked for.
func (s *service) grow(_ context.Context, in *wrapperspb.Int64Value) (proto.Message, error) {
	return wrapperspb.Bytes(make([]byte, in.GetValue())), nil
}

// wait returns when its context ends.
func (s *service) wait(ctx context.Context, _ *emptypb.Empty) (proto.Message, error) {
	s.entered <- ctx
	<-ctx.Done()
	return nil, ctx.Err()
}

// stick returns when the test lets it, whatever its context says.
func (s *service) stick(ctx context.Context, _ *emptypb.Empty) (proto.Message, error) {
	s.entered <- ctx
	<-s.release
	return &emptypb.Empty{}, nil
}

// left returns the nanoseconds until its deadline.
func (s *service) left(ctx context.Context, _ *emptypb.Empty) (proto.Message, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, status.Error(codes.FailedPrecondition, "no deadline")
	}
	return wrapperspb.Int64(int64(time.Until(deadline))), nil
}

var errs []error // none

func (s *service) fail(_ context.Context, in *wrapperspb.StringValue) (proto.Message, error) {
	switch in.GetValue() {
	case "plain":
		return nil, errors.New("selector(test): ohno")
	case "wrapped":
		return nil, fmt.Errorf("selector(test): %w", status.Error(codes.NotFound, "no channel"))
	case "deadline":
		return nil, context.DeadlineExceeded
	case "details":
		st, err := status.New(codes.InvalidArgument, "bad config").WithDetails(
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "rule.1.match"}}})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	case "utf8":
		return nil, status.Error(codes.Aborted, "bad \xff byte")
	case "long":
		return nil, status.Error(codes.Aborted, string(make([]byte, 100_000)))
	case "exit":
		runtime.Goexit()
	case "panic":
		panic("ohno")
	case "runtime":
		return nil, errs[len(in.GetValue())]
	}
	return nil, nil // no message
}

// cpu returns the microseconds of CPU time that this process has used.
func (s *service) cpu(context.Context, *emptypb.Empty) (proto.Message, error) {
	return wrapperspb.Int64(cpuMicros()), nil
}

func cpuMicros() int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return (use.Utime.Nano() + use.Stime.Nano()) / 1000
}

// unary writes the handler that protoc-gen-go-grpc would generate.
func unary[In any, M interface {
	*In
	proto.Message
}](name string, f func(*service, context.Context, M) (proto.Message, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := M(new(In))
		if err := dec(in); err != nil {
			return nil, err
		}
		out, err := f(srv.(*service), ctx, in)
		if out == nil {
			return nil, err
		}
		return out, err
	}}
}

var serviceDesc = grpc.ServiceDesc{
	ServiceName: "lanetest.Service",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		unary("Echo", (*service).echo),
		unary("Grow", (*service).grow),
		unary("Wait", (*service).wait),
		unary("Stick", (*service).stick),
		unary("Left", (*service).left),
		unary("Fail", (*service).fail),
		unary("CPU", (*service).cpu),
	},
}

// invoke calls as a generated stub does.
func invoke(ctx context.Context, cc grpc.ClientConnInterface, method string, in, out proto.Message, opts ...grpc.CallOption) error {
	opts = append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	return cc.Invoke(ctx, "/lanetest.Service/"+method, in, out, opts...)
}

func listen(t testing.TB) *net.UnixListener {
	t.Helper()
	// Not t.TempDir: with the test's name in it a path may pass the 107 bytes of a socket address.
	dir, err := os.MkdirTemp("", "lane")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// As between a plugin and its host: set windows keep gRPC from measuring the
// bandwidth with pings.
const (
	streamWindow = 1 << 20
	connWindow   = 4 << 20
)

// connect opens a connection, without a lane.
func connect(t testing.TB, l net.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(lane.Credentials()),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// lasting is a context that ends after so long.
func lasting(t testing.TB, d time.Duration) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), d)
	t.Cleanup(stop)
	return ctx
}

func dial(t testing.TB, conn *grpc.ClientConn, opts lane.Options) *lane.Conn {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), testWait)
	defer stop()
	c, err := lane.Dial(ctx, conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// start serves a plugin in this process and dials it.
func start(t testing.TB, so lane.ServerOptions, opts lane.Options) (*lane.Conn, *service, *grpc.Server) {
	t.Helper()
	l, svc, server := listen(t), newService(), grpc.NewServer()
	lane.NewServer(server, so).RegisterService(&serviceDesc, svc)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return dial(t, connect(t, l), opts), svc, server
}

// spawn serves a plugin in a process of its own.
func spawn(t testing.TB, mode string) (*grpc.ClientConn, *os.Process) {
	t.Helper()
	l := listen(t)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), pluginEnv+"="+mode)
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, l)
	// Before the connection is closed: that takes gRPC 5 s when the other side is stopped.
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	// The child alone accepts: when it is gone, so is the socket.
	l.SetUnlinkOnClose(false)
	f.Close()
	l.Close()
	return conn, cmd.Process
}

func servePlugin(mode string) {
	if mode == "inline" {
		runtime.GOMAXPROCS(1)
	}
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.Creds(lane.Credentials()), grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow))
	lane.NewServer(server, lane.ServerOptions{Inline: mode == "inline"}).RegisterService(&serviceDesc, newService())
	if err := server.Serve(l); err != nil {
		panic(err)
	}
}

// wantCode fails the test unless err has the code.
func wantCode(t testing.TB, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("code %v, want %v: %v", got, want, err)
	}
}

// within fails the test when f takes longer than anything here may.
func within(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(testWait):
		t.Fatalf("%s: not done after %v", what, testWait)
	}
}

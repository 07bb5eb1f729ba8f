package lane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// modes are the two ways to run handlers.
var modes = []struct {
	name   string
	inline bool
}{
	{name: "inline", inline: true},
	{name: "goroutines"},
}

// Generated stubs pass grpc.StaticMethod with each call. If that sent them by unary, everything would still work.
func TestGeneratedStubUsesLane(t *testing.T) {
	t.Parallel()
	l, server := listen(t), grpc.NewServer()
	healthpb.RegisterHealthServer(lane.NewServer(server, lane.ServerOptions{}), health.NewServer())
	go server.Serve(l)
	t.Cleanup(server.Stop)
	conn := dial(t, connect(t, l), lane.Options{})
	client := healthpb.NewHealthClient(conn)

	for range 10 {
		reply, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || reply.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Fatalf("Check: %v, %v", reply, err)
		}
	}
	if got, want := conn.Stats(), (lane.Stats{Calls: 10, Frames: 10}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "nobody"})
	wantCode(t, err, codes.NotFound)

	// A stream of the same service goes by the connection below.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := watch.Recv(); err != nil || reply.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("Watch: %v, %v", reply, err)
	}
}

func TestWhatGoesByUnary(t *testing.T) {
	t.Parallel()
	conn, _, _ := start(t, lane.ServerOptions{}, lane.Options{})
	withMetadata := metadata.AppendToOutgoingContext(t.Context(), "trace", "1")
	var header metadata.MD
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		bytes int
		opts  []grpc.CallOption
		unary bool
	}{
		{name: "small", ctx: t.Context(), bytes: 1000},
		{name: "empty", ctx: t.Context(), bytes: 0},
		{name: "largest", ctx: t.Context(), bytes: lane.MaxBodyBytes - 4},
		{name: "too large", ctx: t.Context(), bytes: lane.MaxBodyBytes, unary: true},
		{name: "deadline", ctx: lasting(t, testWait), bytes: 10},
		{name: "unknown option", ctx: t.Context(), bytes: 10, opts: []grpc.CallOption{grpc.Header(&header)}, unary: true},
		{name: "metadata", ctx: withMetadata, bytes: 10, unary: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := conn.Stats()
			body := bytes.Repeat([]byte{'x'}, tc.bytes)
			var out wrapperspb.BytesValue
			if err := invoke(tc.ctx, conn, "Echo", wrapperspb.Bytes(body), &out, tc.opts...); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.GetValue(), body) {
				t.Errorf("got %d bytes back, sent %d", len(out.GetValue()), len(body))
			}
			after := conn.Stats()
			if unary := after.Unary > before.Unary; unary != tc.unary || (after.Calls > before.Calls) == tc.unary {
				t.Errorf("unary %v, want %v: %+v, then %+v", unary, tc.unary, before, after)
			}
		})
	}
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			conn, _, _ := start(t, lane.ServerOptions{Inline: mode.inline}, lane.Options{})
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					body := []byte(strings.Repeat(strconv.Itoa(i), 1+i%300))
					var out wrapperspb.BytesValue
					err := invoke(t.Context(), conn, "Echo", wrapperspb.Bytes(body), &out)
					if err != nil || !bytes.Equal(out.GetValue(), body) {
						t.Errorf("call %d: %d bytes of %d came back: %v", i, len(out.GetValue()), len(body), err)
					}
				})
			}
			wg.Wait()
			if s := conn.Stats(); s.Calls != 1000 || s.Frames >= s.Calls {
				t.Errorf("no batches: %+v", s)
			}
		})
	}
}

func TestLargeReplies(t *testing.T) {
	t.Parallel()
	conn, _, _ := start(t, lane.ServerOptions{}, lane.Options{MaxReplyBytes: 8 << 20})
	for _, tc := range []struct {
		name  string
		bytes int64
		code  codes.Code
	}{
		{name: "one piece", bytes: lane.MaxBodyBytes - 4},
		{name: "just over", bytes: lane.MaxBodyBytes + 1},
		{name: "over gRPC's default of 4 MiB", bytes: 5 << 20},
		{name: "over the limit", bytes: 9 << 20, code: codes.ResourceExhausted},
		{name: "small again", bytes: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out wrapperspb.BytesValue
			err := invoke(t.Context(), conn, "Grow", wrapperspb.Int64(tc.bytes), &out)
			wantCode(t, err, tc.code)
			if err == nil && int64(len(out.GetValue())) != tc.bytes {
				t.Errorf("%d bytes, want %d", len(out.GetValue()), tc.bytes)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	conn, svc, _ := start(t, lane.ServerOptions{}, lane.Options{})
	t.Run("travels", func(t *testing.T) {
		var out wrapperspb.Int64Value
		if err := invoke(lasting(t, time.Hour), conn, "Left", &emptypb.Empty{}, &out); err != nil {
			t.Fatal(err)
		}
		if left := time.Duration(out.GetValue()); left > time.Hour || left < time.Hour-testWait {
			t.Errorf("the handler has %v left of an hour", left)
		}
	})
	t.Run("passes", func(t *testing.T) {
		// Stuck handlers: only the host can end these calls, each at its time.
		defer close(svc.release)
		var wg sync.WaitGroup
		// A busy machine has sent them all before.
		for _, ms := range []time.Duration{530, 501, 520, 510, 502, 540, 503} {
			wg.Go(func() {
				t0 := time.Now()
				err := invoke(lasting(t, ms*time.Millisecond), conn, "Stick", &emptypb.Empty{}, &emptypb.Empty{})
				if took := time.Since(t0); took < ms*time.Millisecond {
					t.Errorf("a call of %d ms ended after %v", ms, took)
				}
				wantCode(t, err, codes.DeadlineExceeded)
			})
		}
		within(t, "calls past their deadlines", wg.Wait)
		for range 7 {
			ctx := <-svc.entered
			within(t, "the handler's context", func() { <-ctx.Done() })
		}
	})
	t.Run("passed before", func(t *testing.T) {
		ctx, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer stop()
		before := conn.Stats()
		wantCode(t, invoke(ctx, conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.DeadlineExceeded)
		if conn.Stats() != before {
			t.Error("a call that can't be answered was sent")
		}
	})
}

func TestCancelReachesHandler(t *testing.T) {
	t.Parallel()
	conn, svc, _ := start(t, lane.ServerOptions{}, lane.Options{})
	ctx, stop := context.WithCancel(t.Context())
	other, stopOther := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		wantCode(t, invoke(other, conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.Canceled)
	})
	untouched := <-svc.entered
	wg.Go(func() {
		wantCode(t, invoke(ctx, conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.Canceled)
	})
	handler := <-svc.entered
	stop()
	within(t, "the handler's context", func() { <-handler.Done() })
	if err := handler.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
	if err := untouched.Err(); err != nil {
		t.Errorf("the other call's context ended too: %v", err)
	}
	stopOther()
	within(t, "both calls", wg.Wait)
}

func TestServerDies(t *testing.T) {
	t.Parallel()
	conn, svc, server := start(t, lane.ServerOptions{}, lane.Options{})
	if err := conn.Err(); err != nil {
		t.Fatalf("Err of a healthy lane: %v", err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			wantCode(t, invoke(t.Context(), conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unavailable)
		})
	}
	for range 50 {
		<-svc.entered
	}
	server.Stop()
	within(t, "calls in flight", wg.Wait)
	within(t, "Done", func() { <-conn.Done() })
	if conn.Err() == nil {
		t.Error("Err is nil after Done")
	}
	wantCode(t, invoke(t.Context(), conn, "Echo", wrapperspb.Bytes(nil), &wrapperspb.BytesValue{}), codes.Unavailable)
	wantCode(t, conn.Ping(t.Context()), codes.Unavailable)
}

func TestProcessKilled(t *testing.T) {
	t.Parallel()
	below, process := spawn(t, "goroutines")
	conn := dial(t, below, lane.Options{})
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			wantCode(t, invoke(t.Context(), conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unavailable)
		})
	}
	for conn.Stats().Calls < 200 {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, "calls in flight", wg.Wait)
}

func TestClose(t *testing.T) {
	t.Parallel()
	conn, svc, _ := start(t, lane.ServerOptions{}, lane.Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		wantCode(t, invoke(t.Context(), conn, "Wait", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unavailable)
	})
	handler := <-svc.entered
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "the call in flight", wg.Wait)
	within(t, "the handler's context", func() { <-handler.Done() })
	wantCode(t, invoke(t.Context(), conn, "Echo", wrapperspb.Bytes(nil), &wrapperspb.BytesValue{}), codes.Unavailable)
}

// suspend stops a plugin's process. The signal takes effect a little later, for one thread after the other.
func suspend(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	within(t, "suspend", func() {
		for running := true; running; time.Sleep(time.Millisecond) { // between two looks
			threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", process.Pid))
			if err != nil || len(threads) == 0 {
				t.Errorf("no threads of process %d: %v", process.Pid, err)
				return
			}
			running = slices.ContainsFunc(threads, func(path string) bool {
				stat, err := os.ReadFile(path)
				return err == nil && !strings.Contains(string(stat), ") T ")
			})
		}
	})
}

// A stopped process neither reads nor answers, so its socket fills up. No caller may hang in a write then.
func TestStoppedProcess(t *testing.T) {
	t.Parallel()
	below, process := spawn(t, "goroutines")
	conn := dial(t, below, lane.Options{MaxQueuedBytes: 1 << 20})
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	suspend(t, process)

	body := wrapperspb.Bytes(make([]byte, 30_000))
	var mu sync.Mutex
	seen := map[codes.Code]int{}
	var wg sync.WaitGroup
	for range 200 { // 6 MB: more than socket, flow control and queue hold
		wg.Go(func() {
			err := invoke(lasting(t, time.Second), conn, "Echo", body, &wrapperspb.BytesValue{})
			mu.Lock()
			defer mu.Unlock()
			seen[status.Code(err)]++
		})
	}
	within(t, "calls to a stopped process", wg.Wait)
	if seen[codes.DeadlineExceeded] == 0 || seen[codes.ResourceExhausted] == 0 || len(seen) != 2 {
		t.Errorf("codes %v, want only DeadlineExceeded and ResourceExhausted", seen)
	}

	// It goes on, and so does the lane.
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(testWait); ; {
		ctx, stop := context.WithTimeout(t.Context(), testWait)
		err := conn.Ping(ctx)
		stop()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := invoke(lasting(t, testWait), conn, "Echo", body, &wrapperspb.BytesValue{}); err != nil {
		t.Errorf("after the stop: %v", err)
	}

	// And with a full queue Close does not hang either.
	suspend(t, process)
	for range 30 {
		wg.Go(func() { invoke(lasting(t, time.Second), conn, "Echo", body, &wrapperspb.BytesValue{}) })
	}
	wg.Wait()
	within(t, "Close", func() { conn.Close() })
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	t.Run("server without a lane", func(t *testing.T) {
		t.Parallel()
		l, server := listen(t), grpc.NewServer()
		go server.Serve(l)
		t.Cleanup(server.Stop)
		_, err := lane.Dial(t.Context(), connect(t, l), lane.Options{})
		wantCode(t, err, codes.Unimplemented)
		if !strings.HasPrefix(err.Error(), "lane: ") {
			t.Errorf("error does not say who: %v", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l := listen(t)
		conn := connect(t, l)
		l.Close()
		_, err := lane.Dial(t.Context(), conn, lane.Options{})
		wantCode(t, err, codes.Unavailable)
	})
	t.Run("nobody answers", func(t *testing.T) {
		t.Parallel()
		l := listen(t)
		defer l.Close()
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer stop()
		_, err := lane.Dial(ctx, connect(t, l), lane.Options{})
		wantCode(t, err, codes.DeadlineExceeded)
	})
}

// The lane lives on when the context of its opening ends.
func TestDialContext(t *testing.T) {
	t.Parallel()
	l, server := listen(t), grpc.NewServer()
	lane.NewServer(server, lane.ServerOptions{}).RegisterService(&serviceDesc, newService())
	go server.Serve(l)
	t.Cleanup(server.Stop)
	ctx, stop := context.WithCancel(t.Context())
	conn, err := lane.Dial(ctx, connect(t, l), lane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop()
	for range 100 {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What isn't valid protobuf fails its own call and no other.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	conn, _, _ := start(t, lane.ServerOptions{}, lane.Options{})
	for _, tc := range []struct {
		name   string
		method string
		in     proto.Message
		out    proto.Message
		code   codes.Code
	}{
		{name: "request does not encode", method: "Fail", in: wrapperspb.String("\xff"), out: &emptypb.Empty{}, code: codes.Internal},
		{name: "request does not decode", method: "Fail", in: wrapperspb.Bytes([]byte("\xff")), out: &emptypb.Empty{}, code: codes.Internal},
		{name: "reply does not decode", method: "Echo", in: wrapperspb.Bytes([]byte("\xff")), out: &wrapperspb.StringValue{}, code: codes.Internal},
		{name: "no reply", method: "Fail", in: wrapperspb.String(""), out: &emptypb.Empty{}, code: codes.Internal},
		{name: "unknown method", method: "Nothing", in: &emptypb.Empty{}, out: &emptypb.Empty{}, code: codes.Unimplemented},
		{name: "a good one", method: "Echo", in: wrapperspb.Bytes(nil), out: &wrapperspb.BytesValue{}, code: codes.OK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantCode(t, invoke(t.Context(), conn, tc.method, tc.in, tc.out), tc.code)
		})
	}
	if s := conn.Stats(); s.Unary > 0 {
		t.Errorf("not over the lane: %+v", s)
	}
	if err := conn.Err(); err != nil {
		t.Errorf("the lane broke: %v", err)
	}
}

package lane_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// An error over the lane is the error that grpc itself would have given.
func TestErrorsAsGRPC(t *testing.T) {
	t.Parallel()
	l, server := listen(t), grpc.NewServer()
	lane.NewServer(server, lane.ServerOptions{}).RegisterService(&serviceDesc, newService())
	go server.Serve(l)
	t.Cleanup(server.Stop)
	below := connect(t, l)
	conn := dial(t, below, lane.Options{})
	for _, tc := range []struct {
		name string
		code codes.Code
	}{
		{name: "plain", code: codes.Unknown},
		{name: "wrapped", code: codes.NotFound},
		{name: "deadline", code: codes.DeadlineExceeded},
		{name: "details", code: codes.InvalidArgument},
		{name: "utf8", code: codes.Aborted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := wrapperspb.String(tc.name)
			over := status.Convert(invoke(t.Context(), conn, "Fail", in, &emptypb.Empty{}))
			under := status.Convert(invoke(t.Context(), below, "Fail", in, &emptypb.Empty{}))
			if over.Code() != tc.code || over.Code() != under.Code() || over.Message() != under.Message() {
				t.Errorf("lane: %v, grpc: %v, want %v", over, under, tc.code)
			}
			if len(over.Details()) != len(under.Details()) {
				t.Fatalf("lane: %v, grpc: %v", over.Details(), under.Details())
			}
			for _, d := range over.Details() {
				bad, ok := d.(*errdetails.BadRequest)
				if !ok || bad.GetFieldViolations()[0].GetField() != "rule.1.match" {
					t.Errorf("detail %v", d)
				}
			}
		})
	}
	t.Run("long", func(t *testing.T) {
		// grpc refuses so much in a header, the lane has none.
		err := invoke(t.Context(), conn, "Fail", wrapperspb.String("long"), &emptypb.Empty{})
		wantCode(t, err, codes.Aborted)
		if got := len(status.Convert(err).Message()); got != 100_000 {
			t.Errorf("message of %d bytes", got)
		}
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var told []string
			conn, _, _ := start(t, lane.ServerOptions{Inline: mode.inline, OnPanic: func(method string, value any, stack []byte) {
				mu.Lock()
				defer mu.Unlock()
				if !strings.Contains(string(stack), "(*service).fail") {
					t.Errorf("the stack does not show the handler:\n%s", stack)
				}
				told = append(told, method)
			}}, lane.Options{})
			for _, tc := range []struct{ how, text string }{
				{how: "panic", text: "/lanetest.Service/Fail: panic: ohno"},
				{how: "runtime", text: "/lanetest.Service/Fail: panic: runtime error: index out of range [7] with length 0"},
			} {
				err := invoke(t.Context(), conn, "Fail", wrapperspb.String(tc.how), &emptypb.Empty{})
				wantCode(t, err, codes.Internal)
				if got := status.Convert(err).Message(); got != tc.text {
					t.Errorf("%q, want %q", got, tc.text)
				}
			}
			if err := conn.Ping(t.Context()); err != nil {
				t.Errorf("after a panic: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(told) != 2 || told[0] != "/lanetest.Service/Fail" {
				t.Errorf("told %q", told)
			}
		})
	}
}

func TestHandlerEndsGoroutine(t *testing.T) {
	t.Parallel()
	conn, _, _ := start(t, lane.ServerOptions{}, lane.Options{})
	err := invoke(t.Context(), conn, "Fail", wrapperspb.String("exit"), &emptypb.Empty{})
	wantCode(t, err, codes.Internal)
}

func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	conn, svc, _ := start(t, lane.ServerOptions{MaxInFlight: 2}, lane.Options{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := invoke(t.Context(), conn, "Stick", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
				t.Error(err)
			}
		})
	}
	<-svc.entered
	<-svc.entered
	echo := func() error {
		return invoke(t.Context(), conn, "Echo", wrapperspb.Bytes(nil), &wrapperspb.BytesValue{})
	}
	wantCode(t, echo(), codes.ResourceExhausted)
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("a full plugin is no hung one: %v", err)
	}
	close(svc.release)
	wg.Wait()
	if err := echo(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// An inline handler that hangs is found by Ping, and the calls behind it end at their deadlines.
func TestPingFindsHungHandler(t *testing.T) {
	t.Parallel()
	conn, svc, _ := start(t, lane.ServerOptions{Inline: true}, lane.Options{})
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := invoke(t.Context(), conn, "Stick", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			t.Error(err)
		}
	})
	<-svc.entered
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	wantCode(t, conn.Ping(ctx), codes.DeadlineExceeded)
	err := invoke(lasting(t, time.Millisecond), conn, "Echo", wrapperspb.Bytes(nil), &wrapperspb.BytesValue{})
	wantCode(t, err, codes.DeadlineExceeded)
	close(svc.release)
	wg.Wait()
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

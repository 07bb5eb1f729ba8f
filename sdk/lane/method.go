package lane

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// method is one unary method as its generated service description has it.
type method struct {
	name    string
	impl    any
	handler grpc.MethodHandler
}

// request is a call's message on the plugin's side, decoded by the generated handler when it runs.
type request struct {
	body   []byte
	frame  mem.Buffer // what body lies in
	decode func(any) error
}

var requests = sync.Pool{New: func() any {
	r := new(request)
	r.decode = r.into // bound once: a closure per call would be an allocation per call
	return r
}}

func (r *request) into(v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "lane: %T is no protobuf message", v)
	}
	if err := proto.Unmarshal(r.body, m); err != nil {
		return status.Errorf(codes.Internal, "lane: request: %v", err)
	}
	// A slow handler must not hold the whole frame.
	r.free()
	return nil
}

func (r *request) free() {
	if r.frame != nil {
		r.frame.Free()
	}
	r.frame, r.body = nil, nil
}

func (r *request) recycle() {
	r.free()
	requests.Put(r)
}

func newCallContext(stream context.Context, timeout time.Duration) *callContext {
	ctx := &callContext{stream: stream}
	if timeout > 0 {
		ctx.deadline = time.Now().Add(timeout)
	}
	return ctx
}

// call runs the handler and appends its reply to b. A panic, also one of the encoder, is an error with
// codes.Internal: one bad call must not take a plugin's other calls with it.
func (m *method) call(ctx context.Context, req *request, b []byte, onPanic func(string, any, []byte)) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(codes.Internal, "%s: panic: %v", m.name, p)
			onPanic(m.name, p, debug.Stack())
		}
	}()
	reply, err := m.handler(m.impl, ctx, req.decode, nil)
	if err != nil {
		return b, err
	}
	out, ok := reply.(proto.Message)
	if !ok {
		return b, status.Errorf(codes.Internal, "%s: reply %T is no protobuf message", m.name, reply)
	}
	return marshal(b, out, proto.Size(out))
}

// appendStatus appends a handler's error as a google.rpc.Status, details and all, by grpc's own rules.
func appendStatus(b []byte, err error) []byte {
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	p := s.Proto()
	if p.GetCode() == int32(codes.OK) {
		p = &spb.Status{Code: int32(codes.Unknown), Message: err.Error()}
	}
	p.Message = strings.ToValidUTF8(p.GetMessage(), "\uFFFD") // protobuf refuses any other
	out, err := proto.MarshalOptions{}.MarshalAppend(b, p)
	if err != nil {
		text := fmt.Sprintf("%s (details lost: %v)", p.GetMessage(), err)
		return appendStatus(b, status.Error(codes.Code(p.GetCode()), strings.ToValidUTF8(text, "\uFFFD")))
	}
	return out
}

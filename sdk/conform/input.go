package conform

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

const (
	largeBytes   = 5 << 20
	garbageCalls = 40 // of each method
	laneStreams  = 20
)

// large sends 5 MiB. gRPC refuses more than 4 unless told otherwise.
func (r *runner) large(ctx context.Context, s *session, a *asker) Result {
	ctx, cancel := context.WithTimeout(ctx, s.limits.busy)
	defer cancel()
	err := a.large(ctx, largeBytes)
	switch {
	case s.died(err):
		return failed("a large question may be refused with an error, and nothing more", "5 MiB: %v", s.because(err))
	case refusedForSize(err) && strings.Contains(err.Error(), "received message larger than max"):
		return failed("receive messages of 64 MiB: a gRPC server's own limit is 4 MiB until it is set", "5 MiB: %v", err)
	case status.Code(err) == codes.DataLoss, ctx.Err() != nil:
		return failed("answer, or refuse with an error", "5 MiB: %v", err)
	}
	if _, again := s.ask(ctx, a, 0); again != nil {
		return failed("a large question may be refused with an error, and nothing more", "after 5 MiB: %v", again)
	}
	if err != nil {
		return fine("5 MiB are refused: %v", err)
	}
	return fine("5 MiB are taken")
}

// garbage sends what no router would.
func (r *runner) garbage(ctx context.Context, s *session, a *asker) Result {
	const remedy = "answer an error to what can't be read, and keep the process"
	random := rand.New(rand.NewPCG(1, 2)) // the same at each run
	for _, m := range a.service.Methods {
		method := "/" + a.service.ServiceName + "/" + m.MethodName
		for n := range garbageCalls {
			bytes := make([]byte, random.IntN(200)+n)
			for i := range bytes {
				bytes[i] = byte(random.Uint32())
			}
			if err := s.raw(ctx, method, bytes); s.died(err) || status.Code(err) == codes.DeadlineExceeded {
				return failed(remedy, "%d random bytes to %s: %v", len(bytes), m.MethodName, s.because(err))
			}
		}
	}
	if err := s.raw(ctx, "/"+a.service.ServiceName+"/NoSuchMethod", nil); status.Code(err) != codes.Unimplemented {
		return failed("answer UNIMPLEMENTED to a method that is not there", "a method that is not there: %v", s.because(err))
	}
	if s.way == Lane {
		for n := range laneStreams {
			if err := s.garbleLane(ctx, random, n); err != nil {
				return failed(remedy, "%v", err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.odd)) {
		ask, cancel := context.WithTimeout(ctx, s.limits.call)
		err := a.odd[name](ask)
		over := err != nil && ask.Err() != nil
		cancel()
		switch {
		case status.Code(err) == codes.DataLoss:
			return failed("see the contract of the kind, in sdk/proto", "%s: %v", name, err)
		case s.died(err), over:
			return failed(remedy, "%s: %v", name, s.because(err))
		}
	}
	if _, err := s.ask(ctx, a, 0); err != nil {
		return failed(remedy, "after garbage: %v", err)
	}
	return fine("%d calls of random bytes, %d odd questions: it goes on", garbageCalls*len(a.service.Methods), len(a.odd))
}

// raw calls a method with bytes that are no message.
func (s *session) raw(ctx context.Context, method string, bytes []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	var reply []byte
	return s.conn.Invoke(ctx, method, bytes, &reply, grpc.ForceCodec(rawCodec{name: "proto"}))
}

// garbleLane opens one more lane and sends bytes that are no frame.
func (s *session) garbleLane(ctx context.Context, random *rand.Rand, n int) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/smartrouter.plugin.v1.Lane/Frames", grpc.ForceCodec(rawCodec{name: "smartrouter-lane"}))
	if err != nil {
		return fmt.Errorf("another lane: %w", s.because(err))
	}
	bytes := make([]byte, 1+random.IntN(300*(n+1)))
	for i := range bytes {
		bytes[i] = byte(random.Uint32())
	}
	_ = stream.SendMsg(bytes) // it may have ended
	_ = stream.CloseSend()
	var reply []byte
	for err == nil {
		err = stream.RecvMsg(&reply)
	}
	if ctx.Err() != nil || s.died(err) {
		return fmt.Errorf("%d random bytes over the lane: %w", len(bytes), s.because(err))
	}
	return nil
}

// rawCodec sends bytes as they are.
type rawCodec struct{ name string }

var _ encoding.Codec = rawCodec{}

func (c rawCodec) Name() string { return c.name }

func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("conform: %T is no bytes", v)
	}
	return b, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("conform: %T is no place for bytes", v)
	}
	*b = append((*b)[:0], data...)
	return nil
}

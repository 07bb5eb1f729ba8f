package lane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ServerOptions say how a plugin runs its handlers. A zero field takes its default.
type ServerOptions struct {
	// Inline runs the handlers in the read loop, one after another: for plugins that only compute. A handler that
	// waits there holds up every other call and Ping. It is no mutual exclusion: large requests come by real unary.
	Inline bool
	// MaxInFlight bounds the handlers that run at the same time; a call over it fails with ResourceExhausted.
	MaxInFlight int
	// OnPanic is told of a handler's panic, whose call fails with codes.Internal and the panic's text. It may be
	// called by several goroutines at once. Default: nobody is told but the caller.
	OnPanic func(method string, value any, stack []byte)
}

var serverDefaults = ServerOptions{
	MaxInFlight: 4096,
	OnPanic:     func(string, any, []byte) {},
}

// Server is the plugin's half of a lane. It is the grpc.ServiceRegistrar to register services with: they are
// served by grpc as ever, and their unary methods over the lane too.
type Server struct {
	grpc    grpc.ServiceRegistrar
	opts    ServerOptions
	methods map[string]*method // by full name; complete before grpc serves, only read afterwards
}

var _ grpc.ServiceRegistrar = (*Server)(nil)

var errExited = status.Error(codes.Internal, "lane: the handler ended its goroutine")

// NewServer adds a lane to a gRPC server that does not serve yet.
func NewServer(server grpc.ServiceRegistrar, opts ServerOptions) *Server {
	if opts.MaxInFlight == 0 {
		opts.MaxInFlight = serverDefaults.MaxInFlight
	}
	if opts.OnPanic == nil {
		opts.OnPanic = serverDefaults.OnPanic
	}
	s := &Server{grpc: server, opts: opts, methods: make(map[string]*method)}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    framesName,
			Handler:       s.serve,
			ServerStreams: true,
			ClientStreams: true,
		}},
	}, s)
	return s
}

// RegisterService registers a service with the gRPC server and keeps its unary methods for the lane.
// As with grpc itself, it must not be called once the server serves.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
	for _, m := range desc.Methods {
		name := "/" + desc.ServiceName + "/" + m.MethodName
		s.methods[name] = &method{name: name, impl: impl, handler: m.Handler}
	}
}

// serve is the handler of the stream.
func (s *Server) serve(_ any, stream grpc.ServerStream) error {
	if err := stream.SendHeader(metadata.Pairs(versionKey, version)); err != nil {
		return err
	}
	x := &session{
		Server:  s,
		ctx:     stream.Context(),
		out:     newOutbox(stream.SendMsg, 0),
		running: make(map[uint64]*callContext),
	}
	err := x.readAll(stream)
	// A stream must not be written to after its handler has returned. Then gRPC ends the stream's context, and with
	// it those of the handlers that still run.
	x.out.close()
	return err
}

// session is one stream: one host that dialled.
type session struct {
	*Server
	ctx context.Context // the stream's, above those of all handlers
	out *outbox

	mu      sync.Mutex
	running map[uint64]*callContext // by call; empty where handlers run inline
}

// readAll reads until the host closes. Like the host's loop it never blocks in a write.
func (x *session) readAll(stream grpc.ServerStream) error {
	var f inFrame
	for {
		if err := stream.RecvMsg(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		err := x.handleAll(f.Buffer)
		f.Free()
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		// What was answered in this loop goes out together.
		x.out.flush()
	}
}

func (x *session) handleAll(frame mem.Buffer) error {
	for rest := frame.ReadOnlyData(); len(rest) > 0; {
		var it item
		var err error
		if it, rest, err = next(rest); err != nil {
			return err
		}
		switch it.kind {
		case kindCall:
			x.start(it, frame)
		case kindCancel:
			x.cancel(it.id)
		case kindPing:
			x.answer(kindPong, it.id, nil, false, false)
		default:
			return fmt.Errorf("lane: the host sent an item of kind %d", it.kind)
		}
	}
	return nil
}

func (x *session) start(it item, frame mem.Buffer) {
	m := x.methods[string(it.method)]
	if m == nil {
		x.refuse(it.id, codes.Unimplemented, "lane: unknown method "+string(it.method))
		return
	}
	ctx := newCallContext(x.ctx, it.timeout)
	frame.Ref()
	req := requests.Get().(*request)
	req.body, req.frame = it.body, frame
	if x.opts.Inline {
		x.run(m, it.id, ctx, req, false)
		return
	}
	if !x.admit(it.id, ctx) {
		req.recycle()
		x.refuse(it.id, codes.ResourceExhausted, "lane: the plugin has too many calls in flight")
		return
	}
	go x.run(m, it.id, ctx, req, true)
}

// run answers one call, in its own goroutine or not.
func (x *session) run(m *method, id uint64, ctx *callContext, req *request, own bool) {
	body := bodies.get()
	err := errExited
	// Deferred, so that a handler that ends its goroutine, as a failing test does, is answered for too.
	defer func() {
		ctx.cancel()
		req.recycle()
		k := kindReply
		if err != nil {
			k, *body = kindFail, appendStatus((*body)[:0], err)
		}
		// Out of the books first: with the answer the host may send the next.
		others := own && x.release(id)
		x.answer(k, id, *body, own, others)
		bodies.put(body)
	}()
	*body, err = m.call(ctx, req, *body, x.opts.OnPanic)
}

func (x *session) refuse(id uint64, code codes.Code, why string) {
	x.answer(kindFail, id, appendStatus(nil, status.Error(code, why)), false, false)
}

// answer sends one answer, a large one in pieces: small ones pass between them, and no frame outgrows what the
// host receives. Without write it waits for the end of the read loop's round; with yield others may join it.
func (x *session) answer(k kind, id uint64, body []byte, write, yield bool) {
	for len(body) > MaxBodyBytes {
		x.send(kindPiece, id, body[:MaxBodyBytes], write, false)
		body = body[MaxBodyBytes:]
	}
	x.send(k, id, body, write, yield)
}

func (x *session) send(k kind, id uint64, body []byte, write, yield bool) {
	var room [headBytes]byte
	// The only error is that the stream has ended, and then nobody waits for the answer.
	if mustWrite, _ := x.out.add(appendHead(room[:0], k, id, len(body)), body, write); mustWrite {
		x.out.write(yield)
	}
}

// admit books a handler that is about to run in its own goroutine.
func (x *session) admit(id uint64, ctx *callContext) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.running) >= x.opts.MaxInFlight {
		return false
	}
	x.running[id] = ctx
	return true
}

// release reports whether other handlers run, whose answers may share a frame.
func (x *session) release(id uint64) (others bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.running, id)
	return len(x.running) > 0
}

func (x *session) cancel(id uint64) {
	x.mu.Lock()
	ctx := x.running[id]
	x.mu.Unlock()
	if ctx != nil {
		ctx.cancel()
	}
}

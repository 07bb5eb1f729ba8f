package lane

import (
	"context"
	"errors"
	"sync"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// call is one call in flight. Who takes it out of Conn.pending, under Conn.mu, settles it: fills in the outcome and
// sends to done. So there is one settler, one send, and the record may be used again after the receive.
type call struct {
	id   uint64
	done chan struct{} // holds one, so that settling never waits

	err   error      // the outcome where there is no reply
	kind  kind       // kindReply, kindFail or kindPong
	body  []byte     // of the reply
	frame mem.Buffer // what body lies in, nil if in parts
	parts []byte     // of a large reply, so far
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func (cl *call) recycle() {
	if cl.frame != nil {
		cl.frame.Free()
	}
	*cl = call{done: cl.done}
	calls.Put(cl)
}

// Invoke makes one unary call, over the lane where it can. Its errors are status errors, as those of grpc itself.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	in, isMessage := args.(proto.Message)
	out, wantsMessage := reply.(proto.Message)
	if !carries(opts) || !isMessage || !wantsMessage || hasMetadata(ctx) {
		return c.invokeUnary(ctx, method, args, reply, opts)
	}
	size := proto.Size(in)
	if size > MaxBodyBytes {
		return c.invokeUnary(ctx, method, args, reply, opts)
	}
	body := bodies.get()
	defer bodies.put(body)
	var err error
	if *body, err = marshal(*body, in, size); err != nil {
		return err
	}
	return c.roundTrip(ctx, method, *body, out)
}

// Ping asks the plugin's half for a sign of life. A plugin that hangs does not answer, so give ctx a deadline;
// what then comes back has codes.DeadlineExceeded. Inline handlers answer between two calls only.
func (c *Conn) Ping(ctx context.Context) error {
	return c.roundTrip(ctx, "", nil, nil)
}

// carries reports whether the lane can do all that the options ask for.
func carries(opts []grpc.CallOption) bool {
	for _, opt := range opts {
		// Every generated stub passes this one, which asks for nothing.
		if _, ok := opt.(grpc.StaticMethodCallOption); !ok {
			return false
		}
	}
	return true
}

func (c *Conn) invokeUnary(ctx context.Context, method string, args, reply any, opts []grpc.CallOption) error {
	c.unary.Add(1)
	return c.grpc.Invoke(ctx, method, args, reply, opts...)
}

// roundTrip sends a call, or a ping where there is no method, and waits for what comes back.
func (c *Conn) roundTrip(ctx context.Context, method string, body []byte, out proto.Message) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	var left time.Duration // 0 for no deadline
	if deadline, ok := ctx.Deadline(); ok {
		if left = time.Until(deadline); left <= 0 {
			return status.FromContextError(context.DeadlineExceeded).Err()
		}
	}

	cl := calls.Get().(*call)
	defer cl.recycle()
	others, err := c.register(cl)
	if err != nil {
		return err
	}
	var room [headBytes]byte
	head := room[:0]
	if method == "" {
		head = appendHead(head, kindPing, cl.id, 0)
	} else {
		head = appendCall(head, cl.id, left, method, len(body))
	}
	write, err := c.out.add(head, body, true)
	if err == nil && method != "" {
		c.calls.Add(1)
	}
	switch {
	case errors.Is(err, errOutboxClosed):
		// The stream is broken, and the read loop settles this call with the reason.
	case err != nil:
		if c.leave(cl) {
			return err
		}
	case write:
		c.out.write(others)
	}

	select {
	case <-cl.done:
	case <-ctx.Done():
		if c.leave(cl) {
			c.cancel(cl.id, method)
			return status.FromContextError(ctx.Err()).Err()
		}
		<-cl.done // settled meanwhile
	}
	if cl.err != nil {
		return cl.err
	}
	return cl.decode(out)
}

// register books the call. It reports whether others are in flight, with whom it may share a frame.
func (c *Conn) register(cl *call) (others bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false, c.unavailable()
	}
	c.lastID++
	cl.id = c.lastID
	others = len(c.pending) > 0
	c.pending[cl.id] = cl
	return others, nil
}

// leave gives a call up. It reports false if it is settled already: then the outcome is in done or about to be.
func (c *Conn) leave(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[cl.id] != cl {
		return false
	}
	delete(c.pending, cl.id)
	return true
}

// cancel tells the plugin that nobody waits any more.
func (c *Conn) cancel(id uint64, method string) {
	if method == "" {
		return
	}
	var room [headBytes]byte
	if write, _ := c.out.add(appendHead(room[:0], kindCancel, id, 0), nil, true); write {
		c.out.write(false)
	}
}

func (cl *call) decode(out proto.Message) error {
	switch {
	case cl.kind == kindFail:
		var s spb.Status
		if err := proto.Unmarshal(cl.body, &s); err != nil {
			return status.Errorf(codes.Internal, "lane: status of a failed call: %v", err)
		}
		if s.GetCode() == int32(codes.OK) {
			return status.Error(codes.Internal, "lane: failed call without a code")
		}
		return status.FromProto(&s).Err()
	case (cl.kind == kindPong) != (out == nil):
		return status.Errorf(codes.Internal, "lane: an item of kind %d is no answer", cl.kind)
	case out == nil:
		return nil
	}
	if err := proto.Unmarshal(cl.body, out); err != nil {
		return status.Errorf(codes.Internal, "lane: reply: %v", err)
	}
	return nil
}

// marshal appends m, whose proto.Size was just taken.
func marshal(b []byte, m proto.Message, size int) ([]byte, error) {
	start := len(b)
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
	if err == nil && len(b)-start != size {
		// A wrong length would garble every call of the frame.
		err = errors.New("message changed while it was encoded")
	}
	if err != nil {
		return b, status.Errorf(codes.Internal, "lane: %v", err)
	}
	return b, nil
}

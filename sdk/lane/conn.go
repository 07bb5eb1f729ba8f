package lane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Options of a Conn. A zero field takes its default.
type Options struct {
	// MaxQueuedBytes bounds the calls that wait for a plugin that does not read; further ones fail with
	// ResourceExhausted.
	MaxQueuedBytes int
	// MaxReplyBytes bounds one reply; a larger one fails its call with ResourceExhausted.
	MaxReplyBytes int
}

var defaults = Options{
	MaxQueuedBytes: 8 << 20,
	MaxReplyBytes:  16 << 20,
}

// Stats counts since Dial.
type Stats struct {
	Calls  uint64 // sent over the lane
	Frames uint64 // written, each with one or more calls, cancels or pings
	Unary  uint64 // sent by real unary instead
}

// Conn is the host's half of a lane. It implements grpc.ClientConnInterface, so generated stubs take it as it is.
// All its methods may be called by any number of goroutines.
type Conn struct {
	grpc *grpc.ClientConn
	opts Options
	out  *outbox
	end  context.CancelFunc // ends the stream
	done chan struct{}      // closed when the stream has ended
	read sync.WaitGroup

	calls, unary atomic.Uint64

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]*call
	err     error // why the stream has ended
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

var errClosed = errors.New("lane: closed by the host")

// Dial opens a lane on conn. ctx bounds the opening only, the lane lives until Close or until its stream breaks.
// A server without a lane gives an error with codes.Unimplemented: then use conn itself.
func Dial(ctx context.Context, conn *grpc.ClientConn, opts Options) (*Conn, error) {
	if opts.MaxQueuedBytes == 0 {
		opts.MaxQueuedBytes = defaults.MaxQueuedBytes
	}
	if opts.MaxReplyBytes == 0 {
		opts.MaxReplyBytes = defaults.MaxReplyBytes
	}
	streamCtx, end := context.WithCancel(context.WithoutCancel(ctx))
	stream, err := open(ctx, conn, streamCtx, end)
	if err != nil {
		end()
		return nil, fmt.Errorf("lane: %w", err)
	}
	c := &Conn{
		grpc:    conn,
		opts:    opts,
		out:     newOutbox(sender(stream, end), opts.MaxQueuedBytes),
		end:     end,
		done:    make(chan struct{}),
		pending: make(map[uint64]*call),
	}
	c.read.Go(func() { c.fail(c.readAll(stream)) })
	return c, nil
}

// open starts the stream and waits for the server's announcement.
func open(ctx context.Context, conn *grpc.ClientConn, streamCtx context.Context, end func()) (grpc.ClientStream, error) {
	stop := context.AfterFunc(ctx, end)
	stream, err := conn.NewStream(streamCtx, &framesDesc, "/"+serviceName+"/"+framesName, grpc.ForceCodecV2(codec{}))
	var header metadata.MD
	if err == nil {
		header, err = stream.Header()
	}
	if err == nil && header == nil {
		err = stream.RecvMsg(&inFrame{}) // what went wrong is told by the first read only
	}
	if !stop() {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if err != nil {
		return nil, err
	}
	spoken := header.Get(versionKey)
	if len(spoken) == 1 && spoken[0] == version {
		return stream, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "the server speaks lane versions %q, not %q", spoken, version)
}

func sender(stream grpc.ClientStream, end func()) func(any) error {
	return func(frame any) error {
		err := stream.SendMsg(frame)
		// io.EOF means that the stream has ended already, and RecvMsg knows better why.
		if err != nil && !errors.Is(err, io.EOF) {
			end()
		}
		return err
	}
}

// Done is closed when the stream has ended and no call can be made any more.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err tells why the stream has ended, nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	return Stats{Calls: c.calls.Load(), Frames: c.out.frames.Load(), Unary: c.unary.Load()}
}

// Close ends the lane, fails the calls in flight with codes.Unavailable and waits for the lane's goroutines.
// The connection below stays open. Close it first: grpc's GracefulStop waits for a lane that stands.
func (c *Conn) Close() error {
	c.fail(errClosed)
	c.end()
	c.read.Wait()
	c.out.close()
	return nil
}

// fail ends everything, once; later reasons are dropped.
func (c *Conn) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	broken := c.unavailable()
	for _, cl := range c.pending {
		delete(c.pending, cl.id)
		cl.err = broken
		cl.done <- struct{}{}
	}
	c.out.shut()
	c.end()
	close(c.done)
}

// unavailable is what calls on an ended lane get. The caller holds c.mu.
func (c *Conn) unavailable() error {
	return status.Errorf(codes.Unavailable, "lane: stream has ended: %v", c.err)
}

// readAll hands replies to their calls until the stream ends. It never writes, takes no lock that is held during
// a write, and never waits for a caller: two sides that both wait for the other to read would stand still.
func (c *Conn) readAll(stream grpc.ClientStream) error {
	var f inFrame
	for {
		if err := stream.RecvMsg(&f); err != nil {
			return err
		}
		err := c.deliverAll(f.Buffer)
		f.Free()
		if err != nil {
			return err
		}
	}
}

func (c *Conn) deliverAll(frame mem.Buffer) error {
	for rest := frame.ReadOnlyData(); len(rest) > 0; {
		var it item
		var err error
		if it, rest, err = next(rest); err != nil {
			return err
		}
		switch it.kind {
		case kindPiece, kindReply, kindFail, kindPong:
			c.deliver(it, frame)
		default:
			return fmt.Errorf("lane: the plugin sent an item of kind %d", it.kind)
		}
	}
	return nil
}

func (c *Conn) deliver(it item, frame mem.Buffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.pending[it.id]
	switch {
	case cl == nil: // its caller has left
		return
	case len(cl.parts)+len(it.body) > c.opts.MaxReplyBytes:
		cl.err = status.Errorf(codes.ResourceExhausted, "lane: reply is larger than %d bytes", c.opts.MaxReplyBytes)
	case it.kind == kindPiece:
		cl.parts = append(cl.parts, it.body...)
		return
	case cl.parts != nil:
		cl.parts = append(cl.parts, it.body...)
		cl.kind, cl.body = it.kind, cl.parts
	default:
		// Decoded where it is, by its caller: the frame lives until all of its replies are.
		frame.Ref()
		cl.kind, cl.body, cl.frame = it.kind, it.body, frame
	}
	delete(c.pending, cl.id)
	cl.done <- struct{}{}
}

// NewStream opens a real stream on the connection below.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.grpc.NewStream(ctx, desc, method, opts...)
}

func hasMetadata(ctx context.Context) bool {
	md, ok := metadata.FromOutgoingContext(ctx)
	return ok && len(md) > 0
}

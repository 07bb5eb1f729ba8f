// Package lane carries ordinary unary gRPC methods between host and plugin over one batched stream, unseen by
// authors: generated stubs run over a [Conn] unchanged, and handlers registered through a [Server] serve both ways.
//
// A unary gRPC call costs some 90 us of two processes' CPU time, most of it in HTTP/2 headers, stream bookkeeping and
// wake-ups. The lane pays those once per batch: calls that meet share a frame, a frame is one message of one stream.
//
//	frame.go     what a frame holds: items, one byte of kind and a few varints each
//	outbox.go    the batching: who appends, who writes, and why no caller ever blocks in a write
//	conn.go      the host's half: Dial, Close, the read loop
//	call.go      one call of it: Conn.Invoke, Conn.Ping
//	server.go    the plugin's half: Server and its read loop
//	method.go    one call of it: the handler, its panics, its errors
//	creds.go     the connection below: reads and writes that never wait
//	context.go   a handler's context, which makes its channel and timer only when somebody looks
//
// What goes by real unary on the underlying connection instead: streams, requests over [MaxBodyBytes], calls with
// outgoing metadata and calls with an option that the lane does not know. Interceptors and stats handlers of the
// connection and of the server do not see the lane's calls, and a handler cannot set headers or trailers in them.
package lane

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

const (
	// MaxBodyBytes is the largest request that the lane carries; a larger one would hold up the calls behind it.
	MaxBodyBytes = 64 << 10

	serviceName = "smartrouter.plugin.v1.Lane"
	framesName  = "Frames"

	// The server announces itself in the stream's header, so that Dial knows at once whether the other side has a
	// lane and speaks this version of it.
	versionKey = "smartrouter-lane"
	version    = "1"
)

var framesDesc = grpc.StreamDesc{StreamName: framesName, ServerStreams: true, ClientStreams: true}

// A server finds its codec by the content type only, in gRPC's registry, which is filled during initialization.
func init() { encoding.RegisterCodecV2(codec{}) }

// outFrame is a message on its way out. Its buffer returns to the pool when the transport has written it.
type outFrame struct {
	bytes *[]byte
	pool  mem.BufferPool
}

// inFrame is a received message. Whoever received it frees it.
type inFrame struct{ mem.Buffer }

// codec hands frames to gRPC as they are: no copy on the way out, at most one on the way in.
type codec struct{}

// Name is the content subtype of the stream.
func (codec) Name() string { return "smartrouter-lane" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*outFrame)
	if !ok {
		return nil, fmt.Errorf("lane: cannot send a %T", v)
	}
	return mem.BufferSlice{mem.NewBuffer(f.bytes, f.pool)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*inFrame)
	if !ok {
		return fmt.Errorf("lane: cannot receive a %T", v)
	}
	f.Buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

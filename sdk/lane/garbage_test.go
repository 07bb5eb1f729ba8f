package lane

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// garbage is what neither side can read on from.
var garbage = []struct {
	name           string
	frame          []byte
	toHost, toPlug bool // where it is garbage
}{
	{name: "unknown kind", frame: []byte{99, 1, 0}, toHost: true, toPlug: true},
	{name: "cut short", frame: []byte{byte(kindReply), 1, 200}, toHost: true, toPlug: true},
	{name: "of a plugin", frame: appendHead(nil, kindReply, 1, 0), toPlug: true},
	{name: "of a host", frame: appendHead(nil, kindPing, 1, 0), toHost: true},
}

func outgoing(frame []byte) *outFrame {
	b := append([]byte(nil), frame...)
	return &outFrame{bytes: &b, pool: newOutbox(nil, 0)}
}

// serveAt starts a server on a socket of its own and connects to it.
func serveAt(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "lane")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestGarbageFromHost(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	NewServer(server, ServerOptions{})
	conn := serveAt(t, server)
	for _, g := range garbage {
		if !g.toPlug {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			stream, err := conn.NewStream(ctx, &framesDesc, "/"+serviceName+"/"+framesName, grpc.ForceCodecV2(codec{}))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(outgoing(g.frame)); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(&inFrame{}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
}

func TestGarbageFromPlugin(t *testing.T) {
	t.Parallel()
	for _, g := range garbage {
		if !g.toHost {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			server := grpc.NewServer()
			server.RegisterService(&grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
				StreamName: framesName, ServerStreams: true, ClientStreams: true,
				Handler: func(_ any, stream grpc.ServerStream) error {
					if err := stream.SendHeader(metadata.Pairs(versionKey, version)); err != nil {
						return err
					}
					if err := stream.RecvMsg(&inFrame{}); err != nil {
						return err
					}
					if err := stream.SendMsg(outgoing(g.frame)); err != nil {
						return err
					}
					<-stream.Context().Done()
					return nil
				},
			}}}, nil)
			c, err := Dial(t.Context(), serveAt(t, server), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = c.Invoke(t.Context(), "/any/Thing", &emptypb.Empty{}, &emptypb.Empty{})
			if status.Code(err) != codes.Unavailable || c.Err() == nil {
				t.Errorf("the call failed with %v, the lane with %v", err, c.Err())
			}
		})
	}
}

func TestDialOtherVersion(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: framesName, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			if err := stream.SendHeader(metadata.Pairs(versionKey, "99")); err != nil {
				return err
			}
			<-stream.Context().Done()
			return nil
		},
	}}}, nil)
	_, err := Dial(t.Context(), serveAt(t, server), Options{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("dialled version 99: %v", err)
	}
}

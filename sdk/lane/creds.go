package lane

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/smart-ai-router/smartrouter/sdk/nowait"
)

// Credentials are for both sides of the connection below: they secure nothing, as
// a socket in a private folder needs nothing, and have gRPC read and write it by
// calls that never wait. That is a quarter of a call's CPU and of its latency.
func Credentials() credentials.TransportCredentials { return creds{insecure.NewCredentials()} }

type creds struct {
	credentials.TransportCredentials
}

func (c creds) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.TransportCredentials.ClientHandshake(ctx, authority, nowait.NewConn(conn))
}

func (c creds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.TransportCredentials.ServerHandshake(nowait.NewConn(conn))
}

func (c creds) Clone() credentials.TransportCredentials {
	return creds{c.TransportCredentials.Clone()}
}

package e2e

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// balancer spreads connections over routers, one after the other, and knows
// nothing of what goes over them.
type balancer struct {
	// URL is the base URL for OpenAI clients.
	URL  string
	next atomic.Uint64
}

func balance(t *testing.T, routers ...*router) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{URL: "http://" + l.Addr().String() + "/v1"}
	var open sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		open.Wait()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := routers[b.next.Add(1)%uint64(len(routers))]
			open.Go(func() { pipe(t.Context(), c, strings.TrimSuffix(strings.TrimPrefix(r.URL, "http://"), "/v1")) })
		}
	}()
	return b
}

// pipe carries bytes both ways until both sides have ended, or the test has.
func pipe(ctx context.Context, client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { // neither side ends an idle connection soon
		client.Close()
		server.Close()
	})()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, client)
		server.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(client, server)
	client.(*net.TCPConn).CloseWrite()
	<-done
}

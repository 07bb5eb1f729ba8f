package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A lag is a far-away server: a relay on loopback in front of a near one, that
// lets every byte take half a round trip each way, and lets a new connection
// take the round trip of TCP's own handshake first.
type lag struct {
	net.Listener
	to    string // address of the near server
	trip  time.Duration
	conns atomic.Int64 // opened so far
	// opened is when the first of them was, in Unix nanoseconds; 0: none yet.
	opened atomic.Int64
}

// newLag relays until it is closed.
func newLag(to string, trip time.Duration) (*lag, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &lag{Listener: l, to: to, trip: trip}
	go g.serve()
	return g, nil
}

func (g *lag) serve() {
	for {
		client, err := g.Accept()
		if err != nil {
			return // closed
		}
		now := time.Now()
		g.conns.Add(1)
		g.opened.CompareAndSwap(0, now.UnixNano())
		go g.relay(client, now)
	}
}

func (g *lag) relay(client net.Conn, opened time.Time) {
	defer client.Close()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { carry(server, client, opened.Add(g.trip), g.trip/2) })
	both.Go(func() { carry(client, server, opened, g.trip/2) })
	both.Wait()
}

// parcel is bytes on their way.
type parcel struct {
	data []byte
	due  time.Time
}

// underWay is how many parcels a direction holds before its sender must wait.
const underWay = 4096

// carry brings what src sends to dst, a delay after it was sent, and nothing
// before open.
func carry(dst, src net.Conn, open time.Time, delay time.Duration) {
	way, stop := make(chan parcel, underWay), make(chan struct{})
	go func() {
		defer close(way)
		for {
			data := make([]byte, 16<<10)
			n, err := src.Read(data)
			sent := time.Now()
			if sent.Before(open) {
				sent = open
			}
			if n > 0 {
				select {
				case way <- parcel{data[:n], sent.Add(delay)}:
				case <-stop:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	close(stop)
	_ = src.SetReadDeadline(time.Now()) // where dst takes no more; fails only on a closed one
	if tcp, ok := dst.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // the same
	}
}

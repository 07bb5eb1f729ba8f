package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo answers everything with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestLagDelaysAndLosesNothing(t *testing.T) {
	t.Parallel()
	const trip = 40 * time.Millisecond
	g, err := newLag(echo(t), trip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	began := time.Now()
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	answer := make([]byte, 1)
	for turn, least := range []time.Duration{2 * trip, trip, trip} { // the first has TCP's handshake too
		c.Write([]byte{byte(turn)})
		if _, err := io.ReadFull(c, answer); err != nil || answer[0] != byte(turn) {
			t.Fatalf("turn %d: %v %v", turn, answer, err)
		}
		if took := time.Since(began); took < least {
			t.Errorf("turn %d took %s, less than %s", turn, took, least)
		}
		began = time.Now()
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
	if n := g.conns.Load(); n != 1 || g.opened.Load() == 0 {
		t.Errorf("%d connections counted, the first at %d", n, g.opened.Load())
	}
}

func TestGain(t *testing.T) {
	t.Parallel()
	if g := (row{naive: 200 * time.Millisecond, ours: 50 * time.Millisecond}).gain(); g != 75 {
		t.Errorf("got %v %%, want 75", g)
	}
	if g := (row{naive: 100 * time.Millisecond, ours: 150 * time.Millisecond}).gain(); g != -50 {
		t.Errorf("got %v %%, want a loss of 50", g)
	}
}

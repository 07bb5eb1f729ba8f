//go:build unix

package nowait

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pairs are the two ends of a connection, the first one a Conn.
func pairs(t *testing.T) map[string][2]net.Conn {
	t.Helper()
	all := make(map[string][2]net.Conn)
	for network, address := range map[string]string{"unix": filepath.Join(t.TempDir(), "s"), "tcp": "127.0.0.1:0"} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		far, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		t.Cleanup(func() { near.Close(); far.Close() })
		c := NewConn(near)
		if _, ok := c.(*Conn); !ok {
			t.Fatalf("%T is no Conn", c)
		}
		all[network] = [2]net.Conn{c, far}
	}
	return all
}

// More than a socket holds, both ways at the same time.
func TestAllBytesCome(t *testing.T) {
	t.Parallel()
	for network, pair := range pairs(t) {
		t.Run(network, func(t *testing.T) {
			want := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB
			var all sync.WaitGroup
			for i, c := range pair {
				all.Go(func() {
					if n, err := c.Write(want); n != len(want) || err != nil {
						t.Errorf("%d wrote %d, %v", i, n, err)
					}
				})
				all.Go(func() {
					got := make([]byte, len(want))
					if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d read something else, %v", i, err)
					}
				})
			}
			all.Wait()
		})
	}
}

func TestEndsOfAConnection(t *testing.T) {
	t.Parallel()
	for network, pair := range pairs(t) {
		t.Run(network, func(t *testing.T) {
			c, far := pair[0], pair[1]
			room := make([]byte, 8)
			if n, err := c.Read(nil); n != 0 || err != nil {
				t.Errorf("a read of nothing: %d, %v", n, err)
			}
			if n, err := c.Write(nil); n != 0 || err != nil {
				t.Errorf("a write of nothing: %d, %v", n, err)
			}
			if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(room); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a read in vain: %d, %v", n, err)
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			if _, err := far.Write([]byte("bye")); err != nil {
				t.Fatal(err)
			}
			far.Close()
			if n, err := c.Read(room); string(room[:n]) != "bye" || err != nil {
				t.Errorf("the last words: %q, %v", room[:n], err)
			}
			if n, err := c.Read(room); n != 0 || err != io.EOF {
				t.Errorf("after them: %d, %v", n, err)
			}
			// The first write to a TCP connection whose other end is gone may go well.
			var err error
			for range 1000 {
				if _, err = c.Write([]byte("hello?")); err != nil {
					break
				}
				time.Sleep(time.Millisecond) // until the reset has come
			}
			if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a write to nobody: %v", err)
			}
		})
	}
}

func TestCloseEndsAReadUnderWay(t *testing.T) {
	t.Parallel()
	for network, pair := range pairs(t) {
		t.Run(network, func(t *testing.T) {
			ended := make(chan error)
			go func() {
				_, err := pair[0].Read(make([]byte, 1))
				ended <- err
			}()
			time.AfterFunc(10*time.Millisecond, func() { pair[0].Close() })
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("it ended with %v", err)
			}
			if _, err := pair[0].Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write after it: %v", err)
			}
		})
	}
}

// What is no socket stays what it is.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	if c := NewConn(near); c != near {
		t.Errorf("%T", c)
	}
}

func TestPeekLeavesWhatHasCome(t *testing.T) {
	t.Parallel()
	pair := pairs(t)["unix"]
	if _, err := pair[1].Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	err := pair[0].(*Conn).raw.Read(func(fd uintptr) bool {
		room := make([]byte, 2)
		n, err := Peek(fd, room)
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		if string(room[:n]) != "ab" || err != nil {
			t.Errorf("%q, %v", room[:n], err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 8)
	if n, err := pair[0].Read(room); string(room[:n]) != "abc" || err != nil {
		t.Errorf("after the look: %q, %v", room[:n], err)
	}
}

package server

import (
	"bytes"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

const (
	// keptFiles are descriptors for what is neither a client nor an upstream:
	// listeners, plugins, logs, idle connections.
	keptFiles = 128
	// fewest clients that are let in, however few descriptors there are.
	fewestClients = 16
	// refusing is how many refused clients are told so at the same time, and
	// refusal how long each of them may take to hear it.
	refusing = 32
	refusal  = time.Second
)

// mostClients is how many connections fit into the process's descriptors, each
// with one to an upstream.
func mostClients() int64 {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil || files.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return max((int64(files.Cur)-keptFiles)/2, fewestClients)
}

// door is a listener that lets so many clients in and no more: without it they
// would use up the descriptors, and then none is left to reach an upstream, so
// that the upstreams would seem to be down. Who is one too many is told so.
type door struct {
	net.Listener
	most    int64
	open    atomic.Int64
	telling atomic.Int64
	shed    func(why string)
}

// Accept is part of net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.open.Add(1) <= d.most {
			return &guest{Conn: c, door: d}, nil
		}
		d.open.Add(-1)
		d.shed(shedConnections)
		if d.telling.Add(1) > refusing {
			d.telling.Add(-1)
			_ = c.Close() // nobody is left to tell
			continue
		}
		go func() {
			defer d.telling.Add(-1)
			defer c.Close()
			refuse(c)
		}()
	}
}

// refuse answers whatever is asked. It waits for the other side to close, as
// the answer is lost where its question is not read.
func refuse(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(refusal)) // without one the next write says why
	h := http.Header{"Content-Type": {"application/json"}}
	body := openai.AppendError(nil, overloaded(h))
	answer := http.Response{
		StatusCode: http.StatusTooManyRequests, ProtoMajor: 1, ProtoMinor: 1, Header: h, Close: true,
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
	if answer.Write(c) != nil {
		return
	}
	if t, ok := c.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite() // fails only where the client has gone
	}
	_, _ = io.Copy(io.Discard, c)
}

// guest is a connection that was let in.
type guest struct {
	net.Conn
	door *door
	once sync.Once
}

// NetConn is the connection below.
func (g *guest) NetConn() net.Conn { return g.Conn }

// Close is part of net.Conn.
func (g *guest) Close() error {
	g.once.Do(func() { g.door.open.Add(-1) })
	return g.Conn.Close()
}

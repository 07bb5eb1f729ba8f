package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/h1"
)

// transport is the seam behind which an HTTP client sits. Everything else of
// this package knows connections only through it.
type transport interface {
	// send brings a request to its origin and returns with the head of the
	// answer. info is filled in before, also where it fails.
	send(ctx context.Context, r *http.Request, info *connInfo) (answer, error)
	// keeps tells whether a request's headers are in use after send has returned.
	keeps() bool
	closeIdle()
}

// answer is an answer's head, with its body to come.
type answer struct {
	StatusCode int
	Header     http.Header
	// ContentLength of the body; -1: not known.
	ContentLength int64
	Body          io.ReadCloser
	protocol      string
	// multiplexed: its connection carries other requests, too.
	multiplexed bool
	own         *h1.Response // nil: it is not from our own client
}

// recycle says that nobody looks at the header any more.
func (a *answer) recycle() {
	if a.own != nil {
		a.own.Recycle()
		a.Header = nil
	}
}

// connInfo is how a request got its connection.
type connInfo struct {
	got    bool
	reused bool
	at     time.Time

	conn *conn // nil: none of ours
	use  uint64
}

// errConnect is a connection that could not be made.
type errConnect struct{ error }

func (e errConnect) Unwrap() error { return e.error }

const (
	// maxAnswerHead is the longest head of an answer, in bytes.
	maxAnswerHead = 64 << 10
	// writePiece is how much of a request one write deadline is for, in bytes.
	writePiece = 64 << 10
	// A connection that multiplexes is asked for a sign of life after so long
	// a silence, and given as long again to answer.
	pingAfter = 10 * time.Second
)

// netTransport is net/http's client, tuned for one origin.
type netTransport struct {
	http   http.Transport
	idlers idlers
	// multiplexes: a connection speaks HTTP/2. net/http then makes another
	// whenever all are at the origin's limit, whatever MaxConnsPerHost says.
	multiplexes atomic.Bool
}

func newNetTransport(s *settings, g guard, roots *x509.CertPool, dial dialFunc) *netTransport {
	if dial == nil {
		dial = (&net.Dialer{Control: g.control}).DialContext
	}
	t := &netTransport{idlers: idlers{keep: s.pool.MaxIdle, after: s.pool.ShrinkAfter}}
	connect := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, errConnect{err}
		}
		return &conn{Conn: c, write: s.write, idlers: &t.idlers}, nil
	}
	t.http = http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := bounded(ctx, s.connect)
			defer cancel()
			return t.fresh(connect(ctx, network, addr))
		},
		MaxIdleConnsPerHost:    s.pool.MaxConnections, // the idlers close what is too much
		MaxConnsPerHost:        s.pool.MaxConnections,
		IdleConnTimeout:        s.pool.IdleTimeout,
		MaxResponseHeaderBytes: maxAnswerHead,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
	}
	t.http.Protocols.SetHTTP1(true)
	protocols := []string{"http/1.1"}
	if s.pool.HTTP2 {
		t.http.Protocols.SetHTTP2(true)
		protocols = []string{"h2", "http/1.1"}
	}
	cfg := &tls.Config{
		ServerName: g.host, RootCAs: roots, NextProtos: protocols, MinVersion: tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(0), // one origin needs no more than its default
	}
	// One time-out covers name lookup, TCP and TLS, which net/http's own two do not.
	t.http.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n := s.pool.MaxConnections; n > 0 && t.multiplexes.Load() && t.idlers.open() >= n {
			return nil, errFull
		}
		ctx, cancel := bounded(ctx, s.connect)
		defer cancel()
		c, err := connect(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(c, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = c.Close() // the handshake's error says it all
			return nil, errConnect{err}
		}
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			t.multiplexes.Store(true)
		}
		return t.fresh(secure, nil)
	}
	return t
}

// fresh notes a new connection.
func (t *netTransport) fresh(c net.Conn, err error) (net.Conn, error) {
	if err == nil {
		t.idlers.fresh(connOf(c))
	}
	return c, err
}

// dialFunc makes a TCP connection. A test may bring its own.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

func (t *netTransport) keeps() bool { return true }

func (t *netTransport) send(ctx context.Context, r *http.Request, info *connInfo) (answer, error) {
	trace := &httptrace.ClientTrace{
		// GotConn is called by the goroutine that is here, and by no other; it is
		// called again where net/http has to take another connection.
		GotConn: func(got httptrace.GotConnInfo) {
			info.got, info.reused, info.at = true, got.Reused, time.Now()
			if info.conn = connOf(got.Conn); info.conn != nil {
				info.use = t.idlers.use(info.conn)
			}
		},
		// Only of HTTP/1, where a connection is idle or not.
		PutIdleConn: func(err error) {
			if err == nil && info.conn != nil {
				t.idlers.rest(info.conn, info.use)
			}
		},
	}
	if body, ok := r.Body.(*reader); ok {
		r.GetBody = body.source.reader // for a second connection
	}
	r = r.WithContext(httptrace.WithClientTrace(ctx, trace))
	a, err := t.http.RoundTrip(r) //nolint:bodyclose // whoever gets the answer closes it
	if err != nil {
		return answer{}, err
	}
	return answer{a.StatusCode, a.Header, a.ContentLength, a.Body, a.Proto, a.ProtoMajor == 2, nil}, nil
}

func (t *netTransport) closeIdle() { t.http.CloseIdleConnections() }

// conn gives every piece of a write its own time, so that a large request on a
// slow line is not taken for a stuck one.
type conn struct {
	net.Conn
	write  time.Duration
	idlers *idlers
	// retired: it is being closed, and nothing may be written any more.
	retired atomic.Bool

	// These are the idlers'.
	uses   uint64
	idle   time.Time // since when
	made   bool      // it is counted
	closed bool
}

// Close is called by net/http, and by the idlers.
func (c *conn) Close() error {
	c.idlers.drop(c)
	return c.Conn.Close()
}

var errWrite = errors.New("the request could not be written in time")

func (c *conn) Write(p []byte) (n int, err error) {
	if c.retired.Load() {
		return 0, net.ErrClosed
	}
	if c.write <= 0 {
		return c.Conn.Write(p)
	}
	for {
		piece := p[n:min(n+writePiece, len(p))]
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(piece)
		if n += m; err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				err = errWrite
			}
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
	}
}

package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options of a client.
type Options struct {
	// Dial makes a connection to the origin, without TLS.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS is used on top of it; nil: none. Its NextProtos must not promise
	// anything but http/1.1.
	TLS *tls.Config
	// ConnectTimeout is for Dial and the handshake together; 0: unbounded.
	ConnectTimeout time.Duration
	// WriteTimeout is the longest that the server may take no byte of a
	// request; 0: unbounded.
	WriteTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept; 0: for ever.
	IdleTimeout time.Duration
	// MaxIdle is how many unused connections are kept; 0: none.
	MaxIdle int
	// ShrinkAfter is how long those above MaxIdle are kept nevertheless; 0: not
	// at all. One that is closed as soon as its request ends is missed by the
	// next one.
	ShrinkAfter time.Duration
	// MaxHead is the longest head of an answer, in bytes; 0: 64 KiB.
	MaxHead int
}

const defaultMaxHead = 64 << 10

// Client keeps connections to one origin. It bounds only those that are unused.
type Client struct {
	options Options

	mu      sync.Mutex
	idle    []*conn // the one that was used last is the last
	timer   *time.Timer
	due     time.Time // when it fires; zero: it does not
	closing bool      // no request has begun since CloseIdle
}

// New returns a client that has no connection yet.
func New(o Options) *Client {
	if o.MaxHead <= 0 {
		o.MaxHead = defaultMaxHead
	}
	return &Client{options: o}
}

// Request is what is sent.
type Request struct {
	Method string
	// Target is the path and the query, escaped.
	Target string
	Host   string
	// Header holds neither Host nor what says how the message is framed or what
	// becomes of its connection: these are the client's.
	Header http.Header
	// Body must stay as it is until the answer's body has ended or is closed:
	// a server may answer before it has read all of it.
	Body []byte
	// Progress is told now and then while a server takes its time to read the
	// body; nil: nobody is.
	Progress Progress
}

// Progress is told that a request gets on.
type Progress interface{ Progress() }

// Response is an answer's head, with its body to come.
type Response struct {
	Status int
	// Minor of the protocol, which is HTTP/1.0 or HTTP/1.1.
	Minor  int
	Header http.Header
	// ContentLength of the body; -1: not known.
	ContentLength int64
	// Body is never nil and must be closed. A body that is read to its end frees
	// its connection for another request, which Close before that ends. Neither
	// is for two goroutines at once; to end a Read, cancel the request's context.
	// Where the connection ends before the body does, the error is
	// io.ErrUnexpectedEOF.
	Body io.ReadCloser
	Connection
	room *room
}

// Recycle says that nobody looks at the header any more, nor at slices of it:
// its memory serves another answer. Without it the collector finds out.
func (r *Response) Recycle() {
	r.room.give()
	r.room, r.Header = nil, nil
}

// Connection is how a request got its connection.
type Connection struct {
	Reused bool
	At     time.Time
}

// Error is a request that failed although it had a connection. Where its
// context had ended, Err is the cause. Where the server closed the connection
// and said nothing, which an idle one may well do, it is io.EOF.
type Error struct {
	Connection
	Err error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// DialError is a connection that could not be made.
type DialError struct{ Err error }

func (e *DialError) Error() string { return e.Err.Error() }
func (e *DialError) Unwrap() error { return e.Err }

// Do sends a request and returns with the head of its answer. ctx is for the
// body, too: when it ends, the connection does. An error is a *DialError, an
// *Error, or says what is wrong with the request; the last was not sent.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	out := outputs.Get().(*[]byte)
	defer giveOutput(out)
	head, err := appendRequest((*out)[:0], r)
	*out = head
	if err != nil {
		return nil, fmt.Errorf("h1: request not sent: %w", err)
	}
	if ctx.Err() != nil {
		return nil, &DialError{Cause(ctx)}
	}
	x := &exchange{}
	for {
		k := c.take()
		x.Connection = Connection{k != nil, time.Now()}
		if k == nil {
			if k, err = c.dial(ctx); err != nil {
				if ctx.Err() != nil {
					err = Cause(ctx)
				}
				return nil, &DialError{err}
			}
			x.At = time.Now()
		}
		k.begin(ctx, r.Progress)
		if err = x.run(k, head, r); err == nil {
			return &x.Response, nil
		}
		err = k.failed(err)
		k.close()
		if !errors.Is(err, errUnfit) {
			return nil, &Error{x.Connection, err}
		}
	}
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	if d := c.options.ConnectTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	socket, err := c.options.Dial(ctx)
	if err != nil {
		return nil, err
	}
	k := newConn(c, socket)
	if c.options.TLS != nil {
		if err := k.handshake(ctx, c.options.TLS); err != nil {
			k.close()
			return nil, err
		}
	}
	return k, nil
}

// exchange is a request under way.
type exchange struct {
	Response
	body body
}

const (
	// smallBody is up to which size, in bytes, a body is copied behind its head,
	// to be written with it.
	smallBody = 16 << 10
	// lastWords is how long a server that takes no more of a request may take to
	// say why.
	lastWords = time.Second
)

func (x *exchange) run(k *conn, head []byte, r *Request) error {
	body := r.Body
	if len(body) <= smallBody {
		body = nil // it stands behind the head
	}
	send := k.send
	if x.Reused {
		send = k.ask
	}
	err := send(head, body)
	switch {
	case err == nil:
		return x.read(k, r.Method)
	case errors.Is(err, errUnfit):
		return err
	}
	k.tainted = true
	if errors.Is(err, ErrWriteTimeout) && (k.sys == nil || k.sys.look() != waiting) {
		return err // it had time enough
	}
	if k.expect(lastWords) != nil || x.read(k, r.Method) != nil || x.body.k != nil && k.expect(0) != nil {
		return err
	}
	return nil
}

// maxInterim is how many interim answers may come before the final one.
const maxInterim = 8

// read reads the head of the final answer.
func (x *exchange) read(k *conn, method string) error {
	var h head
	for range maxInterim + 1 {
		text, err := k.head()
		if err != nil {
			return err
		}
		h = head{}
		if err := h.parse(text); err != nil {
			return err
		}
		if h.status == http.StatusSwitchingProtocols {
			return malformed("it switches protocols, which was not asked for")
		}
		if h.status >= http.StatusOK {
			break
		}
		if len(k.out) > 0 {
			// It wants to hear the rest before it says more.
			if err := errors.Join(k.flush(true), k.expect(0)); err != nil {
				return err
			}
		}
	}
	if h.status < http.StatusOK {
		return malformed("more than %d interim answers", maxInterim)
	}
	x.Status, x.Minor, x.Header, x.room = h.status, h.minor, h.header, h.room
	x.body.begin(k, &h, method == http.MethodHead)
	x.ContentLength = x.body.length
	x.Body = &x.body
	return nil
}

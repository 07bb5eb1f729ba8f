package h1

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// ErrWriteTimeout is a server that takes no more of a request.
var ErrWriteTimeout = errors.New("the request could not be written in time")

var outputs = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func giveOutput(b *[]byte) {
	// Larger ones come from a head that nobody sends twice.
	if cap(*b) <= 2*smallBody {
		outputs.Put(b)
	}
}

// ours are the fields that only the client itself may send.
var ours = map[string]bool{
	"Connection": true, "Content-Length": true, "Expect": true, "Host": true, "Keep-Alive": true,
	"Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// appendRequest appends a request's head and, where it is small, its body.
// Nothing gets through that could end a line or a message before its time. An
// error names no value: it may be a credential.
func appendRequest(b []byte, r *Request) ([]byte, error) {
	switch {
	case !httpguts.ValidHeaderFieldName(r.Method) || r.Method == http.MethodConnect:
		return b, fmt.Errorf("method %q", r.Method)
	case !validTarget(r.Target):
		return b, errors.New("its target is no escaped path")
	case r.Host == "" || !httpguts.ValidHostHeader(r.Host):
		return b, fmt.Errorf("host %q", r.Host)
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return b, fmt.Errorf("header name %q", name)
		}
		if ours[name] || ours[http.CanonicalHeaderKey(name)] {
			return b, fmt.Errorf("header %s is the connection's own", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return b, fmt.Errorf("header %s has a value with control characters", name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, strings.Trim(v, " \t")...)
			b = append(b, "\r\n"...)
		}
	}
	if len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if len(r.Body) <= smallBody {
		b = append(b, r.Body...)
	}
	return b, nil
}

func validTarget(t string) bool {
	if t == "" || t[0] != '/' {
		return false
	}
	for i := range len(t) {
		if c := t[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// errUnfit is a connection that can't take another request: it was closed while
// it was unused, or something came that nobody had asked for.
var errUnfit = errors.New("the unused connection has ended")

// ask sends a request on a connection that had others before. errUnfit means
// that nothing of it was sent.
func (k *conn) ask(head, body []byte) error {
	if k.secure != nil || k.sys == nil || len(body) > 0 {
		if !k.fit() {
			return errUnfit
		}
		return k.send(head, body)
	}
	seen, n, err := k.sys.ask(head, &k.in)
	switch {
	case seen != nothing:
		return errUnfit
	case n == len(head):
		k.came = err
		return nil
	case err != nil:
		return err
	}
	return k.send(head[n:], nil)
}

// send writes a request. No error means that it is on its way or that the
// server has begun to answer: then the rest is in out.
func (k *conn) send(head, body []byte) error {
	if k.secure != nil {
		_, err := k.secure.Write(head)
		if err == nil && len(body) > 0 {
			_, err = k.secure.Write(body)
		}
		return err
	}
	k.out = append(k.vector[:0], head)
	if len(body) > 0 {
		k.out = append(k.out, body)
	}
	err := k.flush(true)
	if err != nil {
		k.out = nil
	} else if len(k.out) > 0 && (len(body) == 0 || len(k.out) == 2) {
		// The head's buffer goes back to its pool.
		k.out[0] = append([]byte(nil), k.out[0]...)
	}
	return err
}

// writeTick is how often a write that waits looks at what else there is.
const writeTick = 50 * time.Millisecond

// flush writes what is in out, be it as slowly as the server likes as long as it
// goes on taking. With early it ends as soon as an answer comes that the server
// would have us read first.
func (k *conn) flush(early bool) error {
	// Without a deadline, which most writes don't need: there is room for a
	// request in a connection that has none under way.
	if len(k.out) == 1 && k.sys != nil {
		n, err := k.sys.write(k.out[0])
		if err != nil || k.took(n) {
			return err
		}
	}
	err := k.flushSlowly(early)
	if err == nil {
		err = k.socket.SetWriteDeadline(time.Time{})
	}
	return err
}

func (k *conn) flushSlowly(early bool) error {
	limit := k.client.options.WriteTimeout
	k.stalled = time.Now()
	for now := k.stalled; ; now = time.Now() {
		wait := writeTick
		if limit > 0 {
			wait = min(wait, limit-now.Sub(k.stalled))
		}
		if err := k.socket.SetWriteDeadline(now.Add(wait)); err != nil {
			return err
		}
		// The deadline may have undone what ended did.
		if err := k.cancelled(); err != nil {
			return err
		}
		n, err := k.out.WriteTo(k.socket)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded) || k.ctx == nil || k.cancelled() != nil:
			return err
		case n > 0:
			k.moved(now) // or a little later
		case limit > 0 && time.Since(k.stalled) >= limit:
			return ErrWriteTimeout
		}
		if early && k.sys != nil && k.sys.look() == waiting {
			return nil
		}
	}
}

// took notes that n bytes of out's only piece were written. It is true if that
// is all.
func (k *conn) took(n int) bool {
	k.out[0] = k.out[0][n:]
	if len(k.out[0]) == 0 {
		k.out[0], k.out = nil, nil
	}
	return len(k.out) == 0
}

// moved notes that the server has taken something at that time.
func (k *conn) moved(at time.Time) {
	k.stalled = at
	if k.progress != nil {
		k.progress.Progress()
	}
}

// trickle writes what the server takes at once, and lets the next read end soon
// where there is more. A server that takes nothing for too long is spared the
// rest: it has begun to answer.
func (k *conn) trickle() error {
	for len(k.out) > 0 {
		n, err := k.sys.write(k.out[0])
		if err != nil {
			break // what it has to say is what counts
		}
		if n == 0 {
			if limit := k.client.options.WriteTimeout; limit > 0 && time.Since(k.stalled) >= limit {
				break
			}
			return k.expect(writeTick)
		}
		k.moved(time.Now())
		if k.out[0] = k.out[0][n:]; len(k.out[0]) == 0 {
			k.out = k.out[1:]
		}
	}
	if len(k.out) > 0 {
		k.out, k.tainted = nil, true
	}
	return k.expect(0)
}

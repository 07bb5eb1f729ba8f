package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/smart-ai-router/smartrouter/core/h1"
)

// newTransport is the client for an origin: our own where HTTP/1.1 is all that
// is spoken, as it needs half of the time; net/http's where it may be HTTP/2.
func newTransport(s *settings, g guard, roots *x509.CertPool, dial dialFunc) transport {
	if g.plain || !s.pool.HTTP2 {
		return newOwnTransport(s, g, roots, dial)
	}
	return newNetTransport(s, g, roots, dial)
}

// ownTransport is our own HTTP/1.1 client.
type ownTransport struct{ client *h1.Client }

func newOwnTransport(s *settings, g guard, roots *x509.CertPool, dial dialFunc) *ownTransport {
	if dial == nil {
		dial = (&net.Dialer{Control: g.control}).DialContext
	}
	_, at, _ := strings.Cut(s.origin, "://")
	port := strings.LastIndexByte(at, ':')
	address := net.JoinHostPort(ascii(at[:port]), at[port+1:])
	o := h1.Options{
		Dial:           func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		ConnectTimeout: s.connect,
		WriteTimeout:   s.write,
		IdleTimeout:    s.pool.IdleTimeout,
		MaxIdle:        s.pool.MaxIdle,
		ShrinkAfter:    s.pool.ShrinkAfter,
		MaxHead:        maxAnswerHead,
	}
	if !g.plain {
		o.TLS = &tls.Config{
			ServerName: ascii(g.host), RootCAs: roots, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(0), // one origin needs no more than its default
		}
	}
	return &ownTransport{h1.New(o)}
}

// ascii is a host as it is looked up and asked for.
func ascii(host string) string {
	if a, err := httpguts.PunycodeHostPort(host); err == nil {
		return a
	}
	return host
}

func (t *ownTransport) keeps() bool { return false }

func (t *ownTransport) send(ctx context.Context, r *http.Request, info *connInfo) (answer, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	q := h1.Request{Method: r.Method, Target: r.URL.RequestURI(), Host: withoutZone(ascii(host)), Header: r.Header}
	switch body := r.Body.(type) {
	case nil:
	case *reader:
		// Its attempt takes the bytes back after it has closed the answer.
		q.Body = body.source.data
		if w := body.source.watch; w != nil {
			q.Progress = w
		}
	default:
		var err error
		if q.Body, err = io.ReadAll(body); err != nil {
			return answer{}, err
		}
	}
	for {
		a, err := t.client.Do(ctx, &q)
		if err == nil {
			info.got, info.reused, info.at = true, a.Reused, a.At
			return answer{a.Status, a.Header, a.ContentLength, a.Body, protocols[a.Minor], false, a}, nil
		}
		var failed *h1.Error
		var connect *h1.DialError
		switch {
		case errors.As(err, &connect):
			return answer{}, errConnect{connect.Err}
		case !errors.As(err, &failed):
			return answer{}, err
		}
		info.got, info.reused, info.at = true, failed.Reused, failed.At
		if errors.Is(err, h1.ErrWriteTimeout) {
			return answer{}, errWrite
		}
		// An idle connection may be closed under any request. Those that change
		// nothing are sent by another one, as net/http does; there are only so
		// many idle ones.
		if !failed.Reused || r.Method != http.MethodGet && r.Method != http.MethodHead || !broken(err) || ctx.Err() != nil {
			return answer{}, err
		}
	}
}

// protocols by their minor version.
var protocols = [...]string{"HTTP/1.0", "HTTP/1.1"}

// withoutZone takes the zone out of an address such as [fe80::1%eth0]:80: it is
// the sender's own.
func withoutZone(host string) string {
	if host == "" || host[0] != '[' {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	zone := strings.IndexByte(host, '%')
	if end < 0 || zone < 0 || zone > end {
		return host
	}
	return host[:zone] + host[end:]
}

func (t *ownTransport) closeIdle() { t.client.CloseIdle() }

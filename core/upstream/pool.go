package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
)

// settings make a pool: a channel has one for each origin that it is spoken to
// at, and keeps it over reloads that change none of these.
type settings struct {
	channel        string
	origin         string // scheme://host:port
	pool           config.Pool
	queue          int // for a connection
	connect, write time.Duration
}

// settingsOf a channel, for any origin.
func settingsOf(c *config.Channel) settings {
	return settings{channel: c.Name, pool: c.Pool, queue: c.Queue, connect: c.Timeouts.Connect, write: c.Timeouts.Write}
}

// pool is a channel's connections to one origin.
type pool struct {
	settings
	transport transport
	// slots bounds the requests under way, each of which needs a connection.
	slots chan struct{}
	// inside counts those who have a slot or wait for one. Those who wait are
	// not counted by themselves: one that has got its slot would still be among
	// them until it runs, and many such would fill the queue with nobody.
	inside atomic.Int64
	// waiting counts those who wait for a stream of a connection.
	waiting atomic.Int64
	// multiplexed is set once the origin has answered by HTTP/2: then a
	// connection carries many requests, and only connections are bounded.
	multiplexed atomic.Bool
}

// errFull is a pool all of whose connections are in use.
var errFull = errors.New("all its connections are in use")

// send is the transport's, and notes what it tells of the origin.
func (p *pool) send(ctx context.Context, r *http.Request, info *connInfo) (answer, error) {
	a, err := p.transport.send(ctx, r, info)
	if err == nil && a.multiplexed {
		p.multiplexed.Store(true)
	}
	return a, err
}

// take waits at most so long for a place; 0: not at all. Those who wait are
// served in the order in which they came, and are no more than the queue has
// room for.
func (p *pool) take(ctx context.Context, wait time.Duration) (s slot, err error) {
	if p.slots == nil || p.multiplexed.Load() {
		return slot{}, nil
	}
	select {
	case p.slots <- struct{}{}:
		p.inside.Add(1)
		return slot{p}, nil
	default:
	}
	if wait <= 0 {
		return slot{}, errFull
	}
	if p.inside.Add(1) > int64(cap(p.slots)+p.queue) {
		p.inside.Add(-1)
		return slot{}, errFull
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case p.slots <- struct{}{}:
		return slot{p}, nil
	case <-t.C:
		err = errFull
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.inside.Add(-1)
	return slot{}, err
}

// slot is a place in a pool, or none that has to be given back.
type slot struct{ pool *pool }

func (s slot) give() {
	if s.pool != nil {
		s.pool.inside.Add(-1)
		<-s.pool.slots
	}
}

// join counts one more in that waits for a stream, unless there is no room.
func (p *pool) join() bool {
	if p.waiting.Add(1) <= int64(p.queue) {
		return true
	}
	p.waiting.Add(-1)
	return false
}

// queued is how many wait, be it for a connection or for a stream of one.
func (p *pool) queued() int64 {
	return max(0, p.inside.Load()-int64(cap(p.slots))) + p.waiting.Load()
}

// route is where a prepared request goes.
type route struct {
	url  *url.URL
	pool *pool
	// bearer is the credential as a header has it that was used last.
	bearer atomic.Pointer[bearer]
}

// bearer is a secret, and the header that shows it.
type bearer struct {
	secret string
	header []string
}

// authorization is the header of a bearer's secret, made once.
func (r *route) authorization(secret string) []string {
	b := r.bearer.Load()
	if b == nil || b.secret != secret {
		b = &bearer{secret, []string{"Bearer " + secret}}
		r.bearer.Store(b)
	}
	return b.header
}

type routeKey struct {
	url string
	settings
}

// maxRoutes bounds what is remembered of URLs; beyond it they are parsed anew.
const maxRoutes = 4096

// pools are kept by channel, origin and settings, over reloads.
type pools struct {
	roots *x509.CertPool
	dial  dialFunc // of tests; nil: the network

	mu     sync.RWMutex
	routes map[routeKey]*route
	pools  map[settings]*pool
}

func (s *pools) init(roots *x509.CertPool) {
	s.roots = roots
	s.routes = make(map[routeKey]*route)
	s.pools = make(map[settings]*pool)
}

// route finds the pool for a URL that a channel is spoken to at.
func (s *pools) route(rawURL string, c *config.Channel) (*route, error) {
	k := routeKey{rawURL, settingsOf(c)}
	s.mu.RLock()
	r, ok := s.routes[k]
	s.mu.RUnlock()
	if ok {
		return r, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		// The URL itself may hold what should not be seen.
		return nil, fmt.Errorf("the adapter's URL is not one of http or https with a host")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := k.settings
	set.origin = originOf(u)
	p, ok := s.pools[set]
	if !ok {
		p = &pool{settings: set}
		g := guard{host: strings.ToLower(u.Hostname()), plain: u.Scheme == "http"}
		p.transport = newTransport(&p.settings, g, s.roots, s.dial)
		if n := c.Pool.MaxConnections; n > 0 {
			p.slots = make(chan struct{}, n)
		}
		s.pools[set] = p
	}
	if len(s.routes) >= maxRoutes {
		clear(s.routes)
	}
	r = &route{url: u, pool: p}
	s.routes[k] = r
	return r, nil
}

func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// prune gives up the pools that no channel of the view could use. A channel
// without a base URL has it from its adapter, so any origin could be its own.
func (s *pools) prune(v *board.View) {
	wanted := make(map[settings]bool)
	for _, c := range v.Channels {
		if c.Config.Off != "" {
			continue
		}
		set := settingsOf(c.Config)
		if u, err := url.Parse(c.Config.BaseURL); err == nil && u.Host != "" {
			set.origin = originOf(u)
		}
		wanted[set] = true
	}
	s.mu.Lock()
	var gone []*pool
	for set, p := range s.pools {
		anywhere := set
		anywhere.origin = ""
		if !wanted[set] && !wanted[anywhere] {
			gone = append(gone, p)
			delete(s.pools, set)
		}
	}
	for k, r := range s.routes {
		if s.pools[r.pool.settings] != r.pool {
			delete(s.routes, k)
		}
	}
	s.mu.Unlock()
	for _, p := range gone {
		p.transport.closeIdle()
	}
}

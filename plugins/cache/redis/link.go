package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/rueidis"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// firstPause is that between the first two tries to connect.
	firstPause = 50 * time.Millisecond
	// pingInterval is how often an idle connection is tried out.
	pingInterval = time.Second
	// goneFor is how long it is believed that nobody can reach the server, since a
	// try found that: longer than the pause until the next one commonly is. That one
	// may hang while others have their connections again.
	goneFor = 2 * time.Second
)

var (
	errConnecting = errors.New("not connected yet")
	errLost       = errors.New("the connection is lost")
)

// link is the connection to Redis. One goroutine makes it, and makes it anew
// when it breaks; a call never waits for that, but fails at once.
//
// The clients of a cluster or of sentinels know other nodes to go to, and heal
// themselves. That of one server would connect anew within a call, one try for
// each; so it may connect once, and is replaced.
type link struct {
	option   rueidis.ClientOption
	timeout  time.Duration // of one call
	maxPause time.Duration
	several  bool // it was a cluster, or sentinels, that answered last

	present atomic.Pointer[session]
	lost    chan *session // those that are of no use any more
	tried   chan struct{} // closed after the first try
	once    sync.Once
	ctx     context.Context
	stop    context.CancelFunc
	tasks   sync.WaitGroup
}

// session is a client, or the reason why there is none.
type session struct {
	client rueidis.Client
	err    error
	// refused is when it was found that nothing listens there, so that nobody else
	// has a connection either; zero: it was not.
	refused time.Time
}

// gone reports whether it is known that nobody can reach the server now.
func (s *session) gone() bool { return !s.refused.IsZero() && time.Since(s.refused) < goneFor }

func newLink(option rueidis.ClientOption, timeout, maxPause time.Duration) *link {
	l := &link{
		option: option, timeout: timeout, maxPause: maxPause,
		lost: make(chan *session, 1), tried: make(chan struct{}),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.present.Store(&session{err: errConnecting})
	l.tasks.Go(l.run)
	return l
}

// firstTry waits for its end, but not for its success.
func (l *link) firstTry(ctx context.Context) error {
	select {
	case <-l.tried:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close disconnects and waits for all that runs.
func (l *link) close() {
	l.stop()
	l.tasks.Wait()
}

// do makes one call. An error is that of ctx, or Unavailable.
func (l *link) do(ctx context.Context, ask func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisMessage, error) {
	if err := ctx.Err(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	s := l.present.Load()
	if s.client == nil && s.gone() {
		return rueidis.RedisMessage{}, sdk.StoreGone(errorf("%w", s.err).Error())
	}
	if s.client == nil {
		return rueidis.RedisMessage{}, unavailable("%w", s.err)
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	m, err := ask(bounded, s.client).ToMessage()
	if err == nil {
		return m, nil
	}
	var refused *rueidis.RedisError
	switch {
	case ctx.Err() != nil:
		return m, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return m, unavailable("no answer within %s", l.timeout)
	case !errors.As(err, &refused):
		l.drop(s)
	case strings.HasPrefix(refused.Error(), "READONLY"):
		l.drop(s) // it was made a replica; its name may lead to the new master
	}
	return m, unavailable("%w", err)
}

// drop reports a session that is of no use any more.
func (l *link) drop(s *session) {
	select {
	case l.lost <- s:
	default: // another one was reported, or this one already
	}
}

func (l *link) run() {
	for pause := firstPause; ; pause = min(2*pause, l.maxPause) {
		s, err := l.connect()
		if err != nil {
			none := &session{err: err}
			if l.nobodyThere(err) {
				none.refused = time.Now()
			}
			l.present.Store(none)
			if pause == firstPause {
				sdk.Log.Warn("redis cannot be reached", "address", l.address(), "err", err)
			}
		}
		l.once.Do(func() { close(l.tried) })
		if err == nil {
			began := time.Now()
			l.watch(s)
			if time.Since(began) > l.maxPause {
				pause = firstPause
			}
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)): // not all routers at the same time
		case <-l.ctx.Done():
			return
		}
	}
}

// connect makes a session, within two connect_timeouts or so.
func (l *link) connect() (*session, error) {
	var sealed atomic.Bool
	option := l.option
	dial := option.DialCtxFn // that of a unix socket
	if dial == nil {
		dial = dialTCP
	}
	option.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
		if sealed.Load() {
			return nil, errLost
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(l.ctx, cancel)()
		return dial(ctx, address, d, t)
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		return nil, err
	}
	sealed.Store(client.Mode() == rueidis.ClientModeStandalone)
	l.several = client.Mode() != rueidis.ClientModeStandalone
	s := &session{client: client}
	l.present.Store(s)
	sdk.Log.Info("connected to redis", "address", l.address(), "mode", client.Mode())
	l.checkPolicy(client)
	return s, nil
}

// nobodyThere reports whether the error shows that no router can reach the
// server. Of a cluster, or where others may take over, one node says nothing.
func (l *link) nobodyThere(err error) bool {
	if len(l.option.InitAddress) != 1 || l.option.Sentinel.MasterSet != "" || l.several {
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) && l.option.DialCtxFn != nil
}

func dialTCP(ctx context.Context, address string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
	if t == nil {
		return d.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", address)
}

// watch returns when the session is of no use any more, and was taken away.
func (l *link) watch(s *session) {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	alone := s.client.Mode() == rueidis.ClientModeStandalone
	for ended := false; !ended; {
		select {
		case lost := <-l.lost:
			ended = lost == s && alone
		case <-tick.C:
			ended = alone && l.ping(s) != nil
		case <-l.ctx.Done():
			ended = true
		}
	}
	l.present.Store(&session{err: errLost})
	// Its calls end before it does.
	l.tasks.Go(s.client.Close)
	if l.ctx.Err() == nil {
		sdk.Log.Warn("the connection to redis is lost", "address", l.address())
	}
}

func (l *link) ping(s *session) error {
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	err := s.client.Do(ctx, s.client.B().Ping().Build()).Error()
	if l.ctx.Err() != nil || errors.As(err, new(*rueidis.RedisError)) {
		return nil // it answers: that it has no time yet is not for a new connection to mend
	}
	return err
}

// checkPolicy warns where Redis may evict the lists. Who may not ask for the
// policy is not warned.
func (l *link) checkPolicy(c rueidis.Client) {
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	info, err := c.Do(ctx, c.B().Info().Section("memory").Build()).ToString()
	if err == nil && strings.Contains(info, "\nmaxmemory_policy:allkeys") && !strings.Contains(info, "\nmaxmemory:0\r") {
		sdk.Log.Warn("redis may evict the lists that changes are found by: set maxmemory-policy to volatile-ttl", "address", l.address())
	}
}

// address is for the log: without user and password.
func (l *link) address() string { return strings.Join(l.option.InitAddress, ",") }

func errorf(format string, args ...any) error {
	return fmt.Errorf("cache(redis): "+format, args...)
}

// unavailable is an error with that code for the core.
func unavailable(format string, args ...any) error {
	return status.Error(codes.Unavailable, errorf(format, args...).Error())
}

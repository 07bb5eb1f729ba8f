package upstream

import (
	"context"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Targets is a plan being carried out for one request.
type Targets interface {
	// Next is the best target that the board lets through now, never the same
	// twice. fallback is 0 for the model asked for, n for its n-th fallback.
	Next(now time.Time) (t *board.Target, fallback int, ok bool)
}

// Preparer knows how a channel is spoken to, in every configuration in use.
type Preparer interface {
	// Prepare answers for a model under the provider's name. The answer may be
	// shared and is not changed.
	Prepare(ctx context.Context, c *board.Channel, model string, e sdk.Endpoint, stream bool) (*sdk.Prepared, error)
	// Translator is the channel's adapter, where that translates by itself.
	Translator(c *board.Channel) (sdk.Translator, error)
	// Forget drops what was answered for the channel: it turned out wrong.
	Forget(c *board.Channel)
}

// Observer counts. Its methods are called on the way of requests and must not
// block.
type Observer interface {
	// Attempt ended. The class is None where the target answered, where the
	// client left, and where the request itself was wrong.
	Attempt(t *board.Target, class board.Class, took time.Duration)
	// Connection was taken for an attempt.
	Connection(channel string, reused bool)
	// Queued: a request waited for a place at the channel, and got it or not.
	Queued(channel string, waited time.Duration, got bool)
	// Rescue of a stream that broke off ended so.
	Rescue(result Rescue)
}

// Options of a dispatcher.
type Options struct {
	Board    *board.Board
	Preparer Preparer
	Log      hclog.Logger
	// Observer may be nil.
	Observer Observer
	// Roots verify upstreams' certificates; nil: those of the system.
	Roots *x509.CertPool
}

// Dispatcher sends requests to targets. Its methods may be called by many
// goroutines.
type Dispatcher struct {
	board    *board.Board
	log      hclog.Logger
	observer Observer
	quiet    quiet
	pools    pools
	preparer Preparer
	google   google
	fetcher  atomic.Pointer[fetcher]
	timers   sync.Pool // that no watch uses
}

// New is a dispatcher with no connection yet.
func New(o Options) *Dispatcher {
	d := &Dispatcher{board: o.Board, log: o.Log, observer: o.Observer, preparer: o.Preparer}
	if d.log == nil {
		d.log = hclog.NewNullLogger()
	}
	if d.observer == nil {
		d.observer = unobserved{}
	}
	d.pools.init(o.Roots)
	d.google.pools = &d.pools
	d.Fetch(config.Fetch{})
	return d
}

// Apply goes over to a new configuration: pools that no channel of the view can
// use any more give up their idle connections. Requests under way are not touched.
func (d *Dispatcher) Apply(v *board.View) {
	d.pools.prune(v)
	d.quiet.forget(func(channel string) bool { return v.Channel(channel) != nil })
}

// Fetch says how what requests name by URL is fetched from now on; before, nothing is.
func (d *Dispatcher) Fetch(limits config.Fetch) { d.fetcher.Store(newFetcher(limits, d.pools.roots)) }

// Close gives up the idle connections. Requests under way go on.
func (d *Dispatcher) Close() { d.pools.prune(&board.View{}) }

type unobserved struct{}

func (unobserved) Attempt(*board.Target, board.Class, time.Duration) {}
func (unobserved) Connection(string, bool)                           {}
func (unobserved) Queued(string, time.Duration, bool)                {}
func (unobserved) Rescue(Rescue)                                     {}

// Package redis is the cache that several routers share: a Redis (6 or newer)
// or a Valkey.
//
//	plugin "cache" "shared" {
//	  use    = plugin.cache.redis
//	  config { url = env("REDIS_URL") } # redis://user:password@host:6379/0
//	}
//
//	store { cache = plugin.cache.shared }
//
// url is redis://, rediss:// (TLS) or unix:///path/to/socket; the user and the
// password in it are never logged. Routers with the same url and key_prefix
// share all that is in it.
//
// An entry is a key of its own with Redis's expiry, so Redis's clock counts.
// Beside the entries there are, by namespace, the order of the last changes, of
// which Changes reads what comes after a cursor, the expiries, the sizes, and
// the figures that Stats answers. What must be changed together is changed by
// one script, so that Redis does and keeps all of it or nothing. Every name
// begins with "{key_prefix}:", which puts one prefix into one slot of a cluster.
//
// What was acknowledged lasts as long as Redis makes it last: over a kill with
// appendonly yes and appendfsync always, else but for the last second or the
// last snapshot. Where Redis may run out of memory, let it evict by
// volatile-ttl, or not at all: a policy of allkeys drops the lists too. What it
// evicts is noticed by the sweeps, which look at what expires first and, a
// portion each time, at all else.
//
// While Redis can't be reached every call fails at once with Unavailable, or
// after call_timeout where Redis does not answer, and the connection is tried
// again and again behind them.
//
//	redis.go    the plugin and its methods
//	config.go   its config block
//	changes.go  Changes and its cursors
//	upkeep.go   sweeping, and writing hits and misses
//	link.go     the connection
//	scripts.go  the scripts, in Lua
package redis

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/smart-ai-router/smartrouter/plugins/cache/tally"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// redis is the plugin.
type redis struct {
	config config
	names  names
	link   *link
	tally  tally.Tally
	// writing: the tally is written by one at a time.
	writing sync.Mutex

	quit  chan struct{} // closed by Close
	ended chan struct{} // closed when upkeep has ended
}

// New is the plugin.
func New() *sdk.Plugin {
	r := newRedis()
	return &sdk.Plugin{
		Name: "redis", Doc: "Keeps entries in a Redis or Valkey that several routers share.",
		Cache: r, Config: &r.config,
	}
}

func newRedis() *redis { return &redis{config: defaults()} }

// deletionKept is how long a removal is kept for who polls for changes, unless
// the entry would have expired before.
const deletionKept = time.Hour

// Start connects. That it can't stops nothing: it is tried again, and until
// then every call is an error.
func (r *redis) Start(ctx context.Context, _ sdk.Setup) error {
	option, err := r.config.option()
	if err != nil {
		return err
	}
	r.names = names("{" + r.config.KeyPrefix + "}:")
	r.link = newLink(option, r.config.CallTimeout, r.config.MaxReconnectPause)
	r.quit, r.ended = make(chan struct{}), make(chan struct{})
	go r.upkeep()
	return r.link.firstTry(ctx)
}

// Close writes the last figures and disconnects.
func (r *redis) Close() error {
	close(r.quit)
	<-r.ended
	r.link.close()
	return nil
}

// Get is part of sdk.Cache.
func (r *redis) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	m, err := r.link.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hmget().Key(r.names.entry(namespace, key)).Field("v", "x").Build())
	})
	if err != nil {
		return sdk.Entry{}, false, err
	}
	fields, err := m.ToArray()
	if err != nil || len(fields) != 2 {
		return sdk.Entry{}, false, errorf("get %s: the entry is no entry: %v", namespace, err)
	}
	if fields[0].IsNil() || fields[1].IsNil() {
		r.tally.Miss(namespace)
		return sdk.Entry{}, false, nil
	}
	value, err := fields[0].AsBytes()
	if err != nil {
		return sdk.Entry{}, false, errorf("get %s: %w", namespace, err)
	}
	expires, err := fields[1].AsInt64()
	if err != nil {
		return sdk.Entry{}, false, errorf("get %s: the expiry: %w", namespace, err)
	}
	r.tally.Hit(namespace)
	return sdk.Entry{Namespace: namespace, Key: key, Value: value, Expires: time.UnixMilli(expires)}, true, nil
}

// lastExpiry is the latest that Redis and a script's numbers can hold; later
// ones are kept until then.
var lastExpiry = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Put is part of sdk.Cache.
func (r *redis) Put(ctx context.Context, entries ...sdk.Entry) error {
	args := make([]string, 1, 1+4*len(entries))
	args[0] = milliseconds(deletionKept)
	for _, e := range entries {
		switch {
		case e.Namespace == "":
			return errorf("put: an entry has no namespace")
		case e.Expires.IsZero():
			return errorf("put %s: an entry has no expiry", e.Namespace)
		case e.Expires.After(lastExpiry):
			e.Expires = lastExpiry
		}
		args = append(args, escape(e.Namespace), e.Key, string(e.Value), strconv.FormatInt(e.Expires.UnixMilli(), 10))
	}
	if len(entries) == 0 {
		return nil
	}
	_, err := r.run(ctx, scripts().put, args...)
	return err
}

// Delete is part of sdk.Cache.
func (r *redis) Delete(ctx context.Context, namespace string, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := r.run(ctx, scripts().delete, append([]string{milliseconds(deletionKept), escape(namespace)}, keys...)...)
	return err
}

// Add is part of sdk.Cache. The counter is kept as decimal text.
func (r *redis) Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	if ttl <= 0 {
		return 0, errorf("add %s: a counter cannot live for %s", namespace, ttl)
	}
	if namespace == "" {
		return 0, errorf("add: there is no namespace")
	}
	m, err := r.run(ctx, scripts().add, escape(namespace), key, strconv.FormatInt(delta, 10), milliseconds(max(ttl, time.Millisecond)))
	if err != nil {
		return 0, err
	}
	answer, err := m.AsStrSlice()
	switch {
	case err != nil || len(answer) == 0 || answer[0] == "" && len(answer) != 2:
		return 0, errorf("add %s: the answer is none: %v", namespace, err)
	case strings.Contains(answer[0], "not an integer"):
		return 0, errorf("add %s: the entry is no counter", namespace)
	case strings.Contains(answer[0], "overflow"):
		return 0, errorf("add %s: the counter would overflow", namespace)
	case answer[0] != "":
		return 0, unavailable("%s", answer[0])
	}
	sum, err := strconv.ParseInt(answer[1], 10, 64)
	if err != nil {
		return 0, errorf("add %s: %w", namespace, err)
	}
	return sum, nil
}

// Stats is part of sdk.Cache, over all routers. Those hits and misses of other
// routers are missing that were counted within their last sweep_interval.
func (r *redis) Stats(ctx context.Context) (sdk.CacheStats, error) {
	m, err := r.writeTally(ctx)
	if err != nil {
		return sdk.CacheStats{}, err
	}
	return parseStats(m)
}

// run runs a script.
func (r *redis) run(ctx context.Context, script *rueidis.Lua, args ...string) (rueidis.RedisMessage, error) {
	return r.link.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, c, []string{r.names.meta()}, args)
	})
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

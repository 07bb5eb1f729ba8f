package catalog

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// call makes one call to the present process. Without a process it fails at
// once with Down; without a deadline it gets one.
func call[T any](ctx context.Context, i *Instance, method string, ask func(context.Context, *life) (T, error)) (answer T, err error) {
	began := time.Now()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, i.catalog.options.CallTimeout)
		defer cancel()
	}
	now := i.present.Load()
	if now.life == nil {
		err = now.down
	} else if answer, err = asked(ctx, now.life, ask); cutOff(ctx, err) && now.life.gone() {
		err = Down{Plugin: i.address, State: Restarting, Reason: "its process ended during the call"}
	}
	i.calls.Add(1)
	took := time.Since(began)
	i.took.add(took)
	if err != nil {
		i.errors.Add(1)
		i.failed(err)
	}
	i.catalog.options.Observer.Called(i.upstream.plugin.Load(), method, took, err)
	return answer, err
}

// cutOff reports whether a call may have failed by the end of its connection. One that
// comes when that is closed already is canceled, though nobody did.
func cutOff(ctx context.Context, err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.Canceled && ctx.Err() == nil
}

// asked lets the process end after the call only, where it is not to be killed.
func asked[T any](ctx context.Context, l *life, ask func(context.Context, *life) (T, error)) (T, error) {
	l.calls.RLock()
	defer l.calls.RUnlock()
	return ask(ctx, l)
}

// run is call for methods that answer nothing.
func run(ctx context.Context, i *Instance, method string, ask func(context.Context, *life) error) error {
	_, err := call(ctx, i, method, func(ctx context.Context, l *life) (struct{}, error) {
		return struct{}{}, ask(ctx, l)
	})
	return err
}

// Selector calls the plugin as a selector.
func (i *Instance) Selector() Selector { return Selector{i} }

// Selector is a selector, whatever process serves it.
type Selector struct{ instance *Instance }

// Select is that of [host.Selector].
func (s Selector) Select(ctx context.Context, g *host.Generation, r sdk.Request, live []host.Live) (sdk.Plan, error) {
	return call(ctx, s.instance, "select", func(ctx context.Context, l *life) (sdk.Plan, error) {
		return l.selector.Select(ctx, g, r, live)
	})
}

// Prechecker calls the plugin as a prechecker.
func (i *Instance) Prechecker() Prechecker { return Prechecker{i} }

// Prechecker is a prechecker, whatever process serves it.
type Prechecker struct{ instance *Instance }

// Check is that of [host.Prechecker].
func (p Prechecker) Check(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error) {
	return call(ctx, p.instance, "check", func(ctx context.Context, l *life) (sdk.Availability, error) {
		return l.prechecker.Check(ctx, l.with(p.instance, c), model)
	})
}

// Prober calls the plugin as a prober.
func (i *Instance) Prober() Prober { return Prober{i} }

// Prober is a prober, whatever process serves it.
type Prober struct{ instance *Instance }

// Probe is that of [host.Prober].
func (p Prober) Probe(ctx context.Context, c sdk.Channel, declaredModels []string) (sdk.Health, error) {
	return call(ctx, p.instance, "probe", func(ctx context.Context, l *life) (sdk.Health, error) {
		return l.prober.Probe(ctx, l.with(p.instance, c), declaredModels)
	})
}

// Adapter calls the plugin as an adapter.
func (i *Instance) Adapter() Adapter { return Adapter{i} }

// Adapter is an adapter, whatever process serves it.
type Adapter struct{ instance *Instance }

var _ sdk.Translator = Adapter{}

// Prepare is part of sdk.Adapter.
func (a Adapter) Prepare(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	return call(ctx, a.instance, "prepare", func(ctx context.Context, l *life) (sdk.Prepared, error) {
		return l.adapter.Prepare(ctx, l.with(a.instance, c), model, e, stream)
	})
}

// TranslateRequest is part of sdk.Translator.
func (a Adapter) TranslateRequest(ctx context.Context, c sdk.Channel, model string, chat []byte) ([]byte, error) {
	return call(ctx, a.instance, "translate_request", func(ctx context.Context, l *life) ([]byte, error) {
		return l.adapter.TranslateRequest(ctx, l.with(a.instance, c), model, chat)
	})
}

// TranslateAnswer is part of sdk.Translator.
func (a Adapter) TranslateAnswer(ctx context.Context, c sdk.Channel, model string, answer sdk.UpstreamAnswer) ([]byte, error) {
	return call(ctx, a.instance, "translate_answer", func(ctx context.Context, l *life) ([]byte, error) {
		return l.adapter.TranslateAnswer(ctx, l.with(a.instance, c), model, answer)
	})
}

// TranslateStream is part of sdk.Translator.
func (a Adapter) TranslateStream(ctx context.Context, c sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	return call(ctx, a.instance, "translate_stream", func(ctx context.Context, l *life) (sdk.Chunks, error) {
		return l.adapter.TranslateStream(ctx, l.with(a.instance, c), model, p)
	})
}

// Guard calls the plugin as a guard.
func (i *Instance) Guard() Guard { return Guard{i} }

// Guard is a guard, whatever process serves it.
type Guard struct{ instance *Instance }

// Inspect is that of [host.Guard].
func (g Guard) Inspect(ctx context.Context, r sdk.Request, prompt []byte) (host.Ruling, error) {
	return call(ctx, g.instance, "inspect", func(ctx context.Context, l *life) (host.Ruling, error) {
		return l.guard.Inspect(ctx, r, prompt)
	})
}

// Observer calls the plugin as an observer.
func (i *Instance) Observer() Watcher { return Watcher{i} }

// Watcher is an observer, whatever process serves it.
type Watcher struct{ instance *Instance }

// Observe is that of [host.Observer].
func (w Watcher) Observe(ctx context.Context, records [][]byte) error {
	return run(ctx, w.instance, "observe", func(ctx context.Context, l *life) error {
		return l.observer.Observe(ctx, records)
	})
}

// Cache calls the plugin as a cache.
func (i *Instance) Cache() Cache { return Cache{i} }

// Cache is a cache, whatever process serves it.
type Cache struct{ instance *Instance }

var _ sdk.Cache = Cache{}

// Get is part of sdk.Cache.
func (c Cache) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	var found bool
	e, err := call(ctx, c.instance, "get", func(ctx context.Context, l *life) (e sdk.Entry, err error) {
		e, found, err = l.cache.Get(ctx, namespace, key)
		return e, err
	})
	return e, found, err
}

// Put is part of sdk.Cache.
func (c Cache) Put(ctx context.Context, entries ...sdk.Entry) error {
	return run(ctx, c.instance, "put", func(ctx context.Context, l *life) error {
		return l.cache.Put(ctx, entries...)
	})
}

// Delete is part of sdk.Cache.
func (c Cache) Delete(ctx context.Context, namespace string, keys ...string) error {
	return run(ctx, c.instance, "delete", func(ctx context.Context, l *life) error {
		return l.cache.Delete(ctx, namespace, keys...)
	})
}

// Add is part of sdk.Cache.
func (c Cache) Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	return call(ctx, c.instance, "add", func(ctx context.Context, l *life) (int64, error) {
		return l.cache.Add(ctx, namespace, key, delta, ttl)
	})
}

// Changes is part of sdk.Cache.
func (c Cache) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	return call(ctx, c.instance, "changes", func(ctx context.Context, l *life) (sdk.Changes, error) {
		return l.cache.Changes(ctx, q)
	})
}

// Stats is part of sdk.Cache.
func (c Cache) Stats(ctx context.Context) (sdk.CacheStats, error) {
	return call(ctx, c.instance, "stats", func(ctx context.Context, l *life) (sdk.CacheStats, error) {
		return l.cache.Stats(ctx)
	})
}

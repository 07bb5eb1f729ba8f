package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// answers is the cache step: equal requests of one caller get the same answer
// for a time. It does nothing, and hashes nothing, until a ttl is set.
type answers struct {
	cfg    *config.Step
	plugin Plugin
	now    func() time.Time
	log    hclog.Logger
	counts counts

	// index knows every stored key, so that an unknown one costs no call.
	mu    sync.RWMutex
	index map[string]time.Time // key -> expiry

	keep chan sdk.Entry
	// loaded is closed once the index was read.
	loaded chan struct{}
}

// NamespaceAnswers is where answers are in the cache.
const NamespaceAnswers = "answers"

const (
	// keepQueue bounds the answers that wait to be written; over it they are
	// not kept.
	keepQueue = 1024
	// keepBatch bounds one write.
	keepBatch = 64
	// loadRetry is the pause before the index is asked for again.
	loadRetry = time.Second
	// indexSweep is how often expired keys leave the index.
	indexSweep = time.Minute
	// keepTimeout bounds one write of answers, and one page of the index.
	keepTimeout = 5 * time.Second
)

// Answer is a stored answer, bytes as they went out.
type Answer struct {
	ContentType string
	Body        []byte
}

// Keep is where a good answer goes.
type Keep struct {
	key  string
	step *answers
	// MaxBytes is the longest answer worth keeping.
	MaxBytes int64
}

func newAnswers(s *config.Step, o Options, log hclog.Logger) *answers {
	a := &answers{
		loaded: make(chan struct{}), cfg: s, plugin: o.Plugins(s.Plugin), now: o.Now, log: log,
		index: make(map[string]time.Time), keep: make(chan sdk.Entry, keepQueue),
	}
	if s.TTL <= 0 {
		close(a.loaded) // there is nothing to know
	}
	return a
}

func (a *answers) ready() <-chan struct{} { return a.loaded }

func (a *answers) name() string { return a.cfg.Name }

// cacheable endpoints answer JSON or an event stream to a JSON request.
func cacheable(e sdk.Endpoint) bool {
	switch e {
	case sdk.Chat, sdk.Completions, sdk.Embeddings, sdk.Moderations, sdk.Rerank:
		return true
	default:
		// Responses can be looked up later by id, and must then exist.
		return false
	}
}

func (a *answers) run(ctx context.Context, q *Request, v *Verdict) {
	if a.cfg.TTL <= 0 || !cacheable(q.Facts.Endpoint) {
		return
	}
	control := strings.ToLower(q.Header.Get("Cache-Control"))
	if strings.Contains(control, "no-store") {
		v.Cache = "bypass"
		return
	}
	key := answerKey(q)
	v.Cache = "miss"
	v.Keep = &Keep{key: key, step: a, MaxBytes: a.cfg.MaxAnswer}
	if strings.Contains(control, "no-cache") || !a.known(key) {
		return
	}
	found, err := a.get(ctx, key)
	switch {
	case err != nil && a.cfg.OnError == config.OnErrorReject:
		v.Reject = unavailable(a.cfg.Name, err)
	case err != nil:
		a.counts.failed.Add(1)
	case found != nil:
		v.Reply, v.Cache, v.Keep = found, "hit", nil
	}
}

func (a *answers) known(key string) bool {
	a.mu.RLock()
	until, ok := a.index[key]
	a.mu.RUnlock()
	return ok && a.now().Before(until)
}

// get asks the plugin; nil: the answer is gone, or damaged.
func (a *answers) get(ctx context.Context, key string) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	a.counts.asked.Add(1)
	e, ok, err := a.plugin.Cache.Get(ctx, NamespaceAnswers, key)
	if err != nil {
		return nil, err
	}
	if found := decodeAnswer(e.Value); ok && found != nil {
		return found, nil
	}
	a.mu.Lock()
	delete(a.index, key)
	a.mu.Unlock()
	return nil, nil
}

// answerKey is over all that the answer depends on, the caller included: one
// caller's answers are never another's.
func answerKey(q *Request) string {
	h := sha256.New()
	var n [8]byte
	for _, part := range [][]byte{[]byte(q.Facts.Key), []byte(q.Facts.Endpoint), q.Body} {
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Put keeps a complete, good answer behind the request. The body is copied.
func (k *Keep) Put(contentType string, body []byte) {
	if k == nil || int64(len(body)) > k.MaxBytes {
		return
	}
	e := sdk.Entry{
		Namespace: NamespaceAnswers, Key: k.key,
		Value:   encodeAnswer(contentType, body),
		Expires: k.step.now().Add(k.step.cfg.TTL),
	}
	select {
	case k.step.keep <- e:
	default: // the store is slow: better no cache than a waiting request
	}
}

func encodeAnswer(contentType string, body []byte) []byte {
	out := binary.AppendUvarint(make([]byte, 0, len(contentType)+len(body)+2), uint64(len(contentType)))
	out = append(out, contentType...)
	return append(out, body...)
}

// decodeAnswer is nil for what is damaged.
func decodeAnswer(b []byte) *Answer {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil
	}
	b = b[used:]
	return &Answer{ContentType: string(b[:n]), Body: b[n:]}
}

// background reads the index once, then writes what is to be kept.
func (a *answers) background(ctx context.Context) {
	if a.cfg.TTL <= 0 {
		return
	}
	go a.load(ctx)
	sweep := time.NewTicker(indexSweep)
	defer sweep.Stop()
	for {
		select {
		case e := <-a.keep:
			a.write(ctx, e)
		case <-sweep.C:
			a.sweep()
		case <-ctx.Done():
			return
		}
	}
}

func (a *answers) load(ctx context.Context) {
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceAnswers}, KeysOnly: true}
	for {
		pctx, cancel := context.WithTimeout(ctx, keepTimeout)
		page, err := a.plugin.Cache.Changes(pctx, q)
		cancel()
		if err != nil {
			select {
			case <-time.After(loadRetry):
				continue
			case <-ctx.Done():
				return
			}
		}
		a.mu.Lock()
		for _, c := range page.Changes {
			if c.Deleted {
				delete(a.index, c.Entry.Key)
			} else {
				a.index[c.Entry.Key] = c.Entry.Expires
			}
		}
		a.mu.Unlock()
		if !page.More {
			close(a.loaded)
			return
		}
		q.Cursor = page.Cursor
	}
}

func (a *answers) write(ctx context.Context, first sdk.Entry) {
	batch := []sdk.Entry{first}
	for len(batch) < keepBatch {
		select {
		case e := <-a.keep:
			batch = append(batch, e)
			continue
		default:
		}
		break
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if err := a.plugin.Cache.Put(ctx, batch...); err != nil {
		a.counts.failed.Add(1)
		a.log.Warn("answers not kept", "count", len(batch), "err", err)
		return
	}
	a.mu.Lock()
	for _, e := range batch {
		a.index[e.Key] = e.Expires
	}
	a.mu.Unlock()
}

func (a *answers) sweep() {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, until := range a.index {
		if !now.Before(until) {
			delete(a.index, key)
		}
	}
}

func (a *answers) stats() StepStats {
	return StepStats{Step: a.cfg.Name, Kind: sdk.KindCache, Asked: a.counts.asked.Load(), Failed: a.counts.failed.Load()}
}

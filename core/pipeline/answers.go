package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// answers is the cache step: equal requests of one caller get the same answer
// for a time, and those in flight at the same time share one upstream call. It
// does nothing, and hashes nothing, until a ttl is set or dedupe is on.
type answers struct {
	cfg      *config.Step
	pipeline string
	plugin   Plugin
	forms    Forms
	now      func() time.Time
	log      hclog.Logger
	counts   counts
	// hits, misses and hotMisses count the looks for answers.
	hits, misses, hotMisses atomic.Int64

	// index knows what the plugin has; front has what is hot.
	index index
	front *front

	keep chan kept
	// loaded is closed once the index was read.
	loaded chan struct{}
}

// Forms knows the wire that requests and answers are in.
type Forms interface {
	// Content is what an answer depends on of a request's body: all but how it
	// is to be sent. nil: the answer is none to be kept or shared.
	Content(body []byte) []byte
	// Fit gives a stored answer the form that the request wants; nil: it can't
	// be given that.
	Fit(a *Answer, q *Request) *Answer
	// Prompt is what a model is given to read, as JSON; nil: nothing. A
	// *[Rejection] is the client's mistake.
	Prompt(q *Request) ([]byte, error)
	// Edit applies a JSON patch (RFC 6902) to the body, and reads the request's
	// facts again. After an error nothing has changed.
	Edit(q *Request, patch []byte) error
}

// asStored is the only form that there is where nobody knows the wire.
type asStored struct{}

func (asStored) Content(body []byte) []byte        { return body }
func (asStored) Fit(a *Answer, _ *Request) *Answer { return a }
func (asStored) Prompt(q *Request) ([]byte, error) { return q.Body, nil }
func (asStored) Edit(*Request, []byte) error       { return errors.New("nobody knows how to edit a body") }

// NamespaceAnswers is where answers are in the cache.
const NamespaceAnswers = "answers"

// answerKey is over all that an answer depends on. The pipeline and the caller
// are in it: one caller's answers are never another's.
type answerKey [sha256.Size]byte

func newAnswers(s *config.Step, o Options, log hclog.Logger) *answers {
	a := &answers{
		cfg: s, pipeline: o.Config.Name, plugin: o.Plugins(s.Plugin), forms: o.Forms, now: o.Now, log: log,
		loaded: make(chan struct{}), keep: make(chan kept, keepQueue),
	}
	if s.TTL <= 0 {
		close(a.loaded) // there is nothing to know
		return a
	}
	a.index.init(s.MaxAnswers)
	a.front = newFront(s.Front)
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
	if a.cfg.TTL <= 0 && !a.cfg.Dedupe || !cacheable(q.Facts.Endpoint) {
		return
	}
	wish, reject := readWish(q.Header, a.cfg.TTL)
	switch {
	case reject != nil:
		v.Reject = reject
		return
	case wish.none:
		if a.cfg.TTL > 0 {
			v.Cache = Bypass
		}
		return
	}
	key, ok := a.key(q)
	if !ok {
		return
	}
	if a.cfg.Dedupe && wish.oldest > 0 && a.alike(q) {
		v.Share = &Share{Key: ShareKey{content: key, stream: q.Facts.Stream, usage: q.Usage}, Buffer: a.cfg.DedupeBuffer}
	}
	if a.cfg.TTL <= 0 {
		return
	}
	v.Cache = Miss
	v.Keep = &Keep{step: a, key: key, ttl: wish.ttl, MaxBytes: a.cfg.MaxAnswer}
	if wish.oldest <= 0 {
		return
	}
	found, err := a.find(ctx, key)
	defer func() {
		if v.Cache == Hit {
			a.hits.Add(1)
		} else {
			a.misses.Add(1)
		}
	}()
	switch {
	case err != nil && a.cfg.OnError == config.OnErrorReject:
		v.Reject = unavailable(a.cfg.Name, err)
		return
	case err != nil:
		a.counts.failed.Add(1)
		return
	case found == nil:
		return
	}
	age := max(0, a.now().Sub(found.Stored))
	if age > wish.oldest {
		return
	}
	if fit := a.forms.Fit(&found.Answer, q); fit != nil {
		reply := *fit // which others may get at the same time
		reply.Age = age
		v.Reply, v.Cache, v.Keep, v.Share = &reply, Hit, nil, nil
	}
}

// alike tells whether equal requests want equal answers.
func (a *answers) alike(q *Request) bool {
	return q.Temperature <= a.cfg.DedupeMaxTemperature && (q.N <= 1 || a.cfg.DedupeN)
}

// key is over all that the answer depends on.
func (a *answers) key(q *Request) (key answerKey, ok bool) {
	content := a.forms.Content(q.Body)
	if content == nil {
		return key, false
	}
	h := sha256.New()
	var n [8]byte
	for _, part := range [...]string{a.pipeline, q.Facts.Key, string(q.Facts.Endpoint), q.Format, q.Facts.Model, q.Header.Get("Openai-Beta"), q.Header.Get("Anthropic-Beta")} {
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(content)
	h.Sum(key[:0])
	return key, true
}

// stored is how the plugin knows the key.
func (a *answers) stored(k answerKey) string { return a.pipeline + "/" + hex.EncodeToString(k[:]) }

// parse is the key of one that the plugin has; not ok: it is of another pipeline.
func (a *answers) parse(s string) (k answerKey, ok bool) {
	digits, ok := strings.CutPrefix(s, a.pipeline+"/")
	if !ok || len(digits) != hex.EncodedLen(len(k)) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(digits))
	return k, err == nil
}

// find looks where the answer may be: in front, and where the index knows of
// it, in the plugin. nil: nowhere, or it is damaged.
func (a *answers) find(ctx context.Context, key answerKey) (*kept, error) {
	now := a.now()
	if k := a.front.get(key); k != nil && now.Before(k.expires) {
		a.counts.fresh.Add(1)
		return k, nil
	}
	a.hotMisses.Add(1)
	if !a.index.knows(key, now) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	a.counts.asked.Add(1)
	e, ok, err := a.plugin.Cache.Get(ctx, NamespaceAnswers, a.stored(key))
	if err != nil {
		return nil, err
	}
	found := decodeAnswer(e.Value)
	if !ok || found == nil {
		a.index.drop(key)
		return nil, nil
	}
	k := &kept{key: key, expires: e.Expires, value: e.Value, Answer: *found}
	a.front.put(k)
	return k, nil
}

// memories: when the answers were stored, the store knows.
func (a *answers) memories(time.Time) []board.Memory {
	if a.cfg.TTL <= 0 {
		return nil
	}
	all := board.Memory{
		Kind: MemoryAnswers, Hits: a.hits.Load(), Misses: a.misses.Load(),
		Entries: int64(a.index.len()), Evicted: a.index.evicted.Load(),
	}
	if a.front == nil {
		return []board.Memory{all}
	}
	hot := board.Memory{Kind: memoryHotAnswers, Hits: a.counts.fresh.Load(), Misses: a.hotMisses.Load(), Evicted: a.front.evicted.Load()}
	for _, k := range a.front.hot.All() {
		hot.Entry(k.Stored)
	}
	return []board.Memory{all, hot}
}

func (a *answers) stats() StepStats {
	return StepStats{
		Step: a.cfg.Name, Kind: sdk.KindCache,
		Fresh: a.counts.fresh.Load(), Asked: a.counts.asked.Load(), Failed: a.counts.failed.Load(), Known: int64(a.index.len()),
	}
}

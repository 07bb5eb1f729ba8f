package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// memory is a store, all of whose calls take a moment.
type memory struct {
	mu      sync.Mutex
	log     []sdk.Change
	id      int
	failing error
	silent  bool // no call comes back
}

func (m *memory) begin(ctx context.Context) error {
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	m.mu.Lock()
	silent := m.silent
	m.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	m.mu.Lock()
	if m.failing != nil {
		defer m.mu.Unlock()
		return m.failing
	}
	return nil
}

func (m *memory) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	if err := m.begin(ctx); err != nil {
		return sdk.Entry{}, false, err
	}
	defer m.mu.Unlock()
	for _, c := range slices.Backward(m.log) {
		if c.Entry.Namespace == namespace && c.Entry.Key == key {
			return c.Entry, !c.Deleted, nil
		}
	}
	return sdk.Entry{}, false, nil
}

func (m *memory) Put(ctx context.Context, entries ...sdk.Entry) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, e := range entries {
		m.log = append(m.log, sdk.Change{Entry: e})
	}
	return nil
}

func (m *memory) Delete(ctx context.Context, namespace string, keys ...string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, k := range keys {
		m.log = append(m.log, sdk.Change{Entry: sdk.Entry{Namespace: namespace, Key: k}, Deleted: true})
	}
	return nil
}

func (m *memory) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	if err := m.begin(ctx); err != nil {
		return sdk.Changes{}, err
	}
	defer m.mu.Unlock()
	id, text, _ := strings.Cut(q.Cursor, ".")
	at, _ := strconv.Atoi(text)
	if id != strconv.Itoa(m.id) {
		at = 0
	}
	out := sdk.Changes{Cursor: fmt.Sprintf("%d.%d", m.id, len(m.log))}
	for _, c := range m.log[at:] {
		if slices.Contains(q.Namespaces, c.Entry.Namespace) {
			out.Changes = append(out.Changes, c)
		}
	}
	return out, nil
}

// fail has every call fail, with nil none.
func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing, m.silent = err, false
}

func (m *memory) hang() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = true
}

// wipe is a store that comes back empty.
func (m *memory) wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log, m.id = nil, m.id+1
}

var errGone = sdk.StoreGone("connection refused")

// member is a router of the test: its board, its fleet and the clients it has.
type member struct {
	*board.Board
	store Store
	kill  context.CancelFunc
	ended chan struct{}
}

// link is a member's way to the store, which may break for it alone.
type link struct {
	*memory
	cut atomic.Bool
}

func (l *link) Get(ctx context.Context, ns, key string) (sdk.Entry, bool, error) {
	if l.cut.Load() {
		<-ctx.Done()
		return sdk.Entry{}, false, ctx.Err()
	}
	return l.memory.Get(ctx, ns, key)
}

type rig struct {
	t       *testing.T
	store   *memory
	cfg     *config.Channel
	terms   config.Fleet
	members []*member
	// total is what all upstream requests together are, most what they were.
	total, most atomic.Int64
	requests    atomic.Int64
}

func newRig(t *testing.T, n int, change func(*config.Channel)) *rig {
	g := &rig{t: t, store: &memory{}, terms: config.Defaults.Fleet, cfg: &config.Channel{
		Name: "a", Provider: &config.Provider{Name: "p"}, BaseURL: "http://a", Models: []string{"m"}, Weight: 1, Queue: 1000,
	}}
	change(g.cfg)
	for range n {
		g.join()
	}
	return g
}

func (g *rig) join() *member {
	m := &member{Board: board.New(nil), store: &link{memory: g.store}, ended: make(chan struct{})}
	m.Share(true)
	c := *g.cfg
	m.Apply(&config.Config{Channels: []*config.Channel{&c}, Hash: "h"})
	f := New(Options{
		Store: m.store, Board: m.Board, Terms: func() *config.Fleet { return &g.terms },
		Account: func(*config.Channel) string { return "0123456789abcdef" },
	})
	ctx, cancel := context.WithCancel(context.Background())
	m.kill = cancel
	go func() {
		defer close(m.ended)
		f.Run(ctx)
	}()
	g.members = append(g.members, m)
	return m
}

// ask is one request at a member, which waits in line for a time.
func (g *rig) ask(m *member, took, patience time.Duration) bool {
	t := m.View().Targets[0]
	if !t.BeginWith(time.Now(), 1) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := board.QueueWith(ctx, []*board.Target{t}, 1, time.Now); err != nil {
			return false
		}
	}
	n := g.total.Add(1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	g.requests.Add(1)
	time.Sleep(took)
	g.total.Add(-1)
	t.Leave()
	return true
}

// press keeps clients asking a member until done is closed.
func (g *rig) press(m *member, clients int, done <-chan struct{}, all *sync.WaitGroup) {
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !g.ask(m, time.Duration(5+rand.IntN(200))*time.Millisecond, time.Second) {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
}

func (g *rig) end() {
	for _, m := range g.members {
		m.kill()
		<-m.ended
	}
}

func (g *rig) share(i int, l board.Limit) int64 { return g.members[i].View().Channels[0].Share(l) }

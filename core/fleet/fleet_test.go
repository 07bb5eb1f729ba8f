package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// Whatever befalls the store, all together never work on more than they may,
// and when it is there nearly all of it is used.
func TestNeverMoreThanMaxInFlightOverAllRouters(t *testing.T) {
	t.Parallel()
	const limit = 7
	tests := []struct {
		name  string
		fault func(g *rig)
		// idle: nothing goes on meanwhile.
		idle bool
	}{
		{name: "nothing", fault: func(*rig) { time.Sleep(time.Minute) }},
		{name: "the store is gone for a minute", fault: func(g *rig) { g.store.fail(errGone); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "the store comes back empty", fault: func(g *rig) { g.store.fail(errGone); g.store.wipe(); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "the store is emptied at once", fault: func(g *rig) { g.store.wipe(); g.join(); time.Sleep(time.Minute) }},
		{name: "the store blinks", fault: func(g *rig) {
			for range 100 {
				g.store.fail(errors.New("broken"))
				time.Sleep(time.Duration(rand.IntN(800)) * time.Millisecond)
				g.store.fail(nil)
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			}
		}},
		{name: "the store hangs", idle: true, fault: func(g *rig) { g.store.hang(); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "a router is cut off", fault: func(g *rig) {
			l := g.members[0].store.(*link)
			l.cut.Store(true)
			time.Sleep(time.Minute)
			l.cut.Store(false)
		}},
		{name: "routers come", fault: func(g *rig) { g.join(); g.join(); time.Sleep(time.Minute) }},
		{name: "a new router finds an empty store", fault: func(g *rig) {
			g.store.fail(errGone)
			time.Sleep(10 * time.Second)
			g.store.wipe()
			g.join()
			g.store.fail(nil)
			time.Sleep(time.Minute)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 3, func(c *config.Channel) { c.MaxInFlight = limit })
				done := make(chan struct{})
				var all sync.WaitGroup
				for _, m := range g.members {
					g.press(m, 6, done, &all)
				}
				time.Sleep(20 * time.Second)
				before := g.requests.Load()
				tt.fault(g)
				for _, m := range g.members[3:] {
					g.press(m, 6, done, &all)
				}
				if !tt.idle && g.requests.Load() == before {
					t.Error("nothing went on meanwhile")
				}
				time.Sleep(30 * time.Second)
				before = g.requests.Load()
				time.Sleep(30 * time.Second)
				// Each place serves a request in about 105 ms.
				if rate := float64(g.requests.Load()-before) / 30; rate < 0.6*limit/0.105 {
					t.Errorf("%.1f requests a second in the end: places lie idle", rate)
				}
				close(done)
				all.Wait()
				if most := g.most.Load(); most > limit || most < limit-1 {
					t.Errorf("%d requests at the same time, of %d", most, limit)
				}
				g.end()
			})
		})
	}
}

// What one router does not need another has within a second.
func TestIdlePlacesGoToWhoNeedsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3, func(c *config.Channel) { c.MaxInFlight = 30 })
		time.Sleep(20 * time.Second)
		for i := range 3 {
			if got := g.share(i, board.LimitInFlight); got != 10 {
				t.Errorf("router %d has %d places of 30 that nobody needs", i, got)
			}
		}
		for _, i := range []int{0, 2, 1} {
			var all sync.WaitGroup
			for range 30 - 2 { // which the others keep
				all.Go(func() {
					if !g.ask(g.members[i], 5*time.Second, time.Second) {
						t.Errorf("router %d has no place within a second, though the others are idle", i)
					}
				})
			}
			all.Wait()
		}
		// One that ends gives back at once, one that is killed when its lease ends.
		g.members[0].kill()
		<-g.members[0].ended
		time.Sleep(3 * g.terms.Poll) // two may change hands one after the other
		if a, b := g.share(1, board.LimitInFlight), g.share(2, board.LimitInFlight); a+b != 30 {
			t.Errorf("the others have %d and %d", a, b)
		}
		g.members[1].store.(*link).cut.Store(true)
		time.Sleep(g.terms.Lease + 2*g.terms.Poll)
		if got := g.share(2, board.LimitInFlight); got != 30 {
			t.Errorf("the last one has %d of 30", got)
		}
		if got := g.share(1, board.LimitInFlight); got != 0 {
			t.Errorf("one that is cut off still has %d", got)
		}
		g.end()
	})
}

// Who idles when the store goes away can begin a request all the same, and all
// together still no more than they may.
func TestIdleRoutersKeepAPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                    string
		routers, limit, pressed int
		// kept are the places of those that idle.
		kept int64
	}{
		{name: "one is busy", routers: 3, limit: 12, pressed: 1, kept: 1},
		{name: "two are busy", routers: 3, limit: 12, pressed: 2, kept: 1},
		{name: "one of many is busy", routers: 6, limit: 100, pressed: 1, kept: 1},
		{name: "too few places to leave any idle", routers: 3, limit: 11, pressed: 1},
		{name: "fewer places than routers", routers: 3, limit: 2, pressed: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.routers, func(c *config.Channel) { c.MaxInFlight = tt.limit })
				done := make(chan struct{})
				var all sync.WaitGroup
				for _, m := range g.members[:tt.pressed] {
					g.press(m, 2*tt.limit, done, &all)
				}
				time.Sleep(20 * time.Second)
				g.store.fail(errGone)
				time.Sleep(2 * g.terms.Lease)
				for i, m := range g.members[tt.pressed:] {
					if got := m.View().Channels[0].Share(board.LimitInFlight); got != tt.kept {
						t.Errorf("idle router %d has %d places, want %d", i, got, tt.kept)
					}
					if served := g.ask(m, time.Second, 10*time.Second); served != (tt.kept > 0) {
						t.Errorf("idle router %d served a request: %t", i, served)
					}
					g.press(m, 2*tt.limit, done, &all)
				}
				time.Sleep(10 * time.Second)
				g.store.fail(nil)
				time.Sleep(3 * g.terms.Lease)
				for i, m := range g.members {
					if share := m.View().Channels[0].Share(board.LimitInFlight); tt.limit >= tt.routers && share == 0 {
						t.Errorf("router %d has no place once the store is back", i)
					}
				}
				close(done)
				all.Wait()
				if most := g.most.Load(); most > int64(tt.limit) || most < int64(tt.limit)-1 {
					t.Errorf("%d requests at the same time, of %d", most, tt.limit)
				}
				g.end()
			})
		})
	}
}

// spending is what the requests of a test took, and when they were let through.
type spending struct {
	mu  sync.Mutex
	all []spent
}

type spent struct {
	at time.Time
	n  int64
}

func (s *spending) add(at time.Time, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, spent{at, n})
}

// sums are that of all, and the most within a minute.
func (s *spending) sums() (all, most int64) {
	slices.SortFunc(s.all, func(a, b spent) int { return a.at.Compare(b.at) })
	var within int64
	first := 0
	for _, x := range s.all {
		for x.at.Sub(s.all[first].at) >= time.Minute {
			within -= s.all[first].n
			first++
		}
		within += x.n
		all += x.n
		most = max(most, within)
	}
	return all, most
}

// In no minute do all together take more than the limit, of tokens about so many
// more as some answers are longer than was reckoned; and nearly all of it is used.
func TestLimitsPerMinuteOverAllRouters(t *testing.T) {
	t.Parallel()
	const minutes = 5
	for _, tt := range []struct {
		name string
		// tokens: it is a limit of tokens, else of requests.
		tokens           bool
		limit            int
		routers, pressed int
		// size of a request, at least and at most.
		size, largest int64
		// queue: requests stand in line for 10 s, else they come again.
		queue bool
		// least is how much of the limit is used each minute. Two of the largest
		// requests fit in one, and each turn of another router costs a second or so.
		least float64
	}{
		{name: "7 requests, by one", limit: 7, routers: 3, pressed: 1, size: 1, largest: 1, least: 0.86},
		{name: "7 requests, by three", limit: 7, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.86},
		{name: "2 requests, by three", limit: 2, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.7},
		{name: "600 requests, by one", limit: 600, routers: 3, pressed: 1, size: 1, largest: 1, least: 0.95},
		{name: "600 requests, by three", limit: 600, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.95},
		{name: "600 requests, by three in line", limit: 600, routers: 3, pressed: 3, size: 1, largest: 1, queue: true, least: 0.95},
		{name: "60,000 tokens, by one", tokens: true, limit: 60_000, routers: 3, pressed: 1, size: 20, largest: 500, least: 0.95},
		{name: "60,000 tokens, by three", tokens: true, limit: 60_000, routers: 3, pressed: 3, size: 20, largest: 500, least: 0.95},
		{name: "60,000 tokens, by three in line", tokens: true, limit: 60_000, routers: 3, pressed: 3, size: 20, largest: 500, queue: true, least: 0.95},
		{name: "too few tokens for five", tokens: true, limit: 10_000, routers: 5, pressed: 5, size: 4100, largest: 4100, least: 0.4},
		{name: "too few tokens for five in line", tokens: true, limit: 10_000, routers: 5, pressed: 5, size: 4100, largest: 4100, queue: true, least: 0.4},
		{name: "all tokens for one request", tokens: true, limit: 10_000, routers: 3, pressed: 3, size: 20_000, largest: 20_000, queue: true, least: 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.routers, func(c *config.Channel) {
					if tt.tokens {
						c.TokensPerMinute = tt.limit
					} else {
						c.RequestsPerMinute = tt.limit
					}
				})
				time.Sleep(20 * time.Second)
				var s spending
				served := make([]int, tt.pressed)
				done := make(chan struct{})
				var all sync.WaitGroup
				for i, m := range g.members[:tt.pressed] {
					for range 20 {
						all.Go(func() {
							for {
								select {
								case <-done:
									return
								case <-time.After(time.Duration(10+rand.IntN(40)) * time.Millisecond):
								}
								size := tt.size + rand.Int64N(tt.largest-tt.size+1)
								at, ok := g.pass(m, size, tt.queue)
								if !ok {
									continue
								}
								if tt.tokens && size < int64(tt.limit) {
									took := size*4/5 + rand.Int64N(size*2/5)
									m.View().Targets[0].Settle(at, size, took)
									size = took
								}
								s.add(at, min(size, int64(tt.limit)))
								s.mu.Lock()
								served[i]++
								s.mu.Unlock()
							}
						})
					}
				}
				time.Sleep(minutes * time.Minute)
				close(done)
				all.Wait()
				over := 1.0
				if tt.tokens {
					over = 1.05
				}
				sum, most := s.sums()
				if float64(most) > over*float64(tt.limit) {
					t.Errorf("%d within a minute, of %d", most, tt.limit)
				}
				if want := tt.least * minutes * float64(tt.limit); float64(sum) < want {
					t.Errorf("%d in %d minutes, want %.0f at least", sum, minutes, want)
				}
				for i, n := range served {
					if n == 0 {
						t.Errorf("router %d had no turn: %v", i, served)
					}
				}
				t.Logf("%d at most within a minute, %d in all, by %v", most, sum, served)
				g.end()
			})
		})
	}
}

// pass has a request of so many tokens let through, and answers when it was.
func (g *rig) pass(m *member, tokens int64, queue bool) (at time.Time, ok bool) {
	x := m.View().Targets[0]
	at = time.Now()
	if ok = x.BeginWith(at, tokens); !ok && queue {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := board.QueueWith(ctx, []*board.Target{x}, tokens, time.Now)
		at, ok = time.Now(), err == nil
	}
	if ok {
		x.Leave()
	}
	return at, ok
}

// A router that has had no part of a limit per minute before the store went away
// is not idle for the whole outage.
func TestLimitsPerMinuteOfWhoComesWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	const limit = 60
	for _, tt := range []struct {
		name   string
		silent string
		// before is how long the router has the store.
		before time.Duration
		fault  func(g *rig)
		want   int64
		// places of max_in_flight that it has: none that nobody gave it.
		places int64
	}{
		{name: "it is gone", fault: func(g *rig) { g.store.fail(errGone) }, want: limit},
		{name: "it fails", fault: func(g *rig) { g.store.fail(errors.New("broken")) }, want: limit},
		{name: "it hangs", fault: func(g *rig) { g.store.hang() }, want: limit},
		{name: "it fails, and shares are kept", silent: config.SilentKeep, want: limit, fault: func(g *rig) {
			g.store.fail(errors.New("broken"))
		}},
		// There it knows how many others there are.
		{name: "it goes before shares were taken", before: time.Second, want: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
		}},
		{name: "it is gone when a channel comes", before: 20 * time.Second, want: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
			time.Sleep(time.Second)
			for _, m := range g.members {
				c := *g.cfg
				c.Name = "b"
				m.Apply(&config.Config{Channels: []*config.Channel{&c}, Hash: "i"})
			}
		}},
		{name: "it is gone, and what is held is kept", before: 20 * time.Second, want: limit / 3, places: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 2, func(c *config.Channel) { c.RequestsPerMinute, c.MaxInFlight = limit, limit })
				if tt.silent != "" {
					g.terms.Silent = tt.silent
				}
				time.Sleep(20 * time.Second)
				if tt.before > 0 {
					g.join()
					time.Sleep(tt.before)
				}
				tt.fault(g)
				if tt.before == 0 {
					g.join()
				}
				time.Sleep(2 * g.terms.Lease)
				if got := g.share(2, board.LimitRequests); got != tt.want {
					t.Errorf("it has %d of %d requests a minute, want %d", got, limit, tt.want)
				}
				if got := g.share(2, board.LimitInFlight); got != tt.places {
					t.Errorf("it has %d places of max_in_flight, want %d", got, tt.places)
				}
				g.store.fail(nil)
				time.Sleep(2*time.Minute + 2*g.terms.Lease)
				sum := int64(0)
				for i := range g.members {
					sum += g.share(i, board.LimitRequests)
				}
				if sum > limit || sum < limit-1 {
					t.Errorf("all have %d of %d when it is back", sum, limit)
				}
				g.end()
			})
		})
	}
}

func TestFair(t *testing.T) {
	t.Parallel()
	p := func(id string, wanted, ticket int64) party {
		return party{id, claim{Wanted: wanted, Least: 1, Ticket: ticket}}
	}
	// big needs 40 at once.
	big := func(id string, spent, wanted, ticket int64) party {
		return party{id, claim{Spent: spent, Wanted: wanted, Least: 40, Ticket: ticket}}
	}
	tests := []struct {
		name    string
		limit   int64
		parties []party
		want    string
	}{
		{"nobody wants", 9, []party{p("a", 0, 0), p("b", 0, 0), p("c", 0, 0)}, "map[a:3 b:3 c:3]"},
		{"one wants all", 9, []party{p("a", 0, 0), p("b", 20, 0), p("c", 0, 0)}, "map[b:9]"},
		{"one wants some", 9, []party{p("a", 0, 0), p("b", 5, 0), p("c", 1, 0)}, "map[a:1 b:6 c:2]"},
		{"all want more", 10, []party{p("a", 20, 0), p("b", 20, 1), p("c", 20, 0)}, "map[a:3 b:4 c:3]"},
		{"one wants little", 10, []party{p("a", 20, 0), p("b", 1, 0), p("c", 20, 1)}, "map[a:4 b:1 c:5]"},
		{"whose turn it is", 1, []party{p("a", 2, 0), p("b", 2, 1)}, "map[b:1]"},
		{"an equal part is of no use", 100, []party{big("a", 0, 400, 0), big("b", 0, 400, 2), big("c", 0, 400, 9)}, "map[a:20 b:40 c:40]"},
		{"more is spent than an equal part", 100, []party{big("a", 60, 440, 1), big("b", 20, 430, 2), p("c", 50, 3)}, "map[a:30 b:40 c:30]"},
		{"one wants all of many", 12, []party{p("a", 0, 0), p("b", 20, 1), p("c", 0, 0)}, "map[a:1 b:10 c:1]"},
		{"nobody wants more than is spent", 100, []party{big("a", 40, 40, 0), p("b", 0, 0)}, "map[a:69 b:31]"},
		{"nothing is there", 0, []party{p("a", 2, 0)}, "map[]"},
		{"less than nothing", -3, []party{p("a", 2, 0)}, "map[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(fair(tt.limit, tt.parties)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

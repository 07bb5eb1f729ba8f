package batch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Runner answers single requests.
type Runner interface {
	Run(context.Context, Request) Answer
}

// Request is one line, as if its owner had sent it.
type Request struct {
	Owner    string // the name of the caller's key; empty: anonymous
	Endpoint string // such as /v1/chat/completions
	Header   http.Header
	Body     []byte // JSON
}

// Answer to a line. The zero Answer is that of a line that was cut off.
type Answer struct {
	Status      int // HTTP
	RequestID   string
	ContentType string
	Body        []byte
	Usage       wire.Usage
	// RetryAfter is the shortest wait that was asked for; 0: none was.
	RetryAfter time.Duration
	// Busy: nothing was sent, as there was no place for it now.
	Busy bool
}

// Options of Batches.
type Options struct {
	// Dir has the folders files and batches, which are made where they are
	// missing. Nobody else may use them.
	Dir    string
	Config config.Batch
	// MaxLine is the longest line of an input, in bytes.
	MaxLine int64
	Log     hclog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Batches are all files and batches of one router.
type Batches struct {
	dir     string // of the journals
	log     hclog.Logger
	now     func() time.Time
	cfg     atomic.Pointer[config.Batch]
	maxLine atomic.Int64
	files   *files
	tallies tallies

	wake  chan struct{} // something may be run
	fresh chan *work    // batches that were just made
	check chan struct{} // one input is checked at a time
	cut   chan struct{} // closed: lines under way end
	ended chan struct{} // closed when Run has ended
	once  sync.Once

	mu       sync.Mutex
	all      map[string]*work
	active   []*work
	turn     int // whose turn it is among the active ones
	inFlight int
	running  bool
}

// tallies count what metrics show.
type tallies struct {
	completed, failed, retried, busy, unwritten atomic.Int64
}

// Open reads what is there, and runs nothing yet.
func Open(o Options) (*Batches, error) {
	b := &Batches{
		dir: filepath.Join(o.Dir, "batches"), log: o.Log, now: o.Now,
		wake: make(chan struct{}, 1), fresh: make(chan *work), check: make(chan struct{}, 1),
		cut: make(chan struct{}), ended: make(chan struct{}), all: make(map[string]*work),
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.Configure(o.Config, o.MaxLine)
	var err error
	if b.files, err = openFiles(filepath.Join(o.Dir, "files"), o.Log); err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(b.dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), tempPrefix):
			os.Remove(path)
		case strings.HasSuffix(e.Name(), journalExt):
			w, err := restore(path)
			if err != nil {
				setAside(o.Log, path, err)
				continue
			}
			b.all[w.head.ID] = w
		}
	}
	return b, nil
}

// Configure takes new limits, for what begins from now on. maxLine is that of
// [Options].
func (b *Batches) Configure(c config.Batch, maxLine int64) {
	b.cfg.Store(&c)
	b.maxLine.Store(maxLine)
}

func (b *Batches) config() *config.Batch { return b.cfg.Load() }

const (
	// syncEvery is how long a line that was answered may be lost for when the
	// machine, and not just the router, dies. It is sent again then.
	syncEvery = 100 * time.Millisecond
	// sweepEvery is how long what has expired may still be there.
	sweepEvery = time.Minute
)

// Run works the batches off until ctx ends, then waits for the lines under way.
// It is called once.
func (b *Batches) Run(ctx context.Context, r Runner) {
	defer close(b.ended)
	lines, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	go func() {
		select {
		case <-b.cut:
			cut()
		case <-lines.Done():
		}
	}()
	var works, tries sync.WaitGroup
	begin := func(w *work) { works.Go(func() { b.work(ctx, w) }) }
	b.mu.Lock() // whatever is not among them comes by fresh
	b.running = true
	for _, w := range b.all {
		if !w.status.Final() {
			begin(w)
		}
	}
	b.mu.Unlock()
	works.Go(func() { b.dispatch(ctx, lines, r, &tries) })
	works.Go(func() { b.sweep(ctx) })
	for {
		select {
		case w := <-b.fresh:
			begin(w)
			continue
		case <-ctx.Done():
		}
		break
	}
	works.Wait()
	tries.Wait()
	b.closeJournals()
}

// Drain returns when Run has ended, whose context has to end first. When its
// own context ends, lines under way are cut off; they are sent again by the
// next router that opens the folder.
func (b *Batches) Drain(ctx context.Context) {
	select {
	case <-b.ended:
		return
	case <-ctx.Done():
	}
	b.once.Do(func() { close(b.cut) })
	<-b.ended
}

func (b *Batches) closeJournals() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = false
	for _, w := range b.all {
		if w.journal != nil {
			b.unwritten(w.journal.sync())
			w.journal.close()
			w.journal = nil
		}
	}
}

// Close lets go of what Open took, where Run was never called.
func (b *Batches) Close() {
	select {
	case <-b.ended:
	default:
		b.closeJournals()
	}
}

// sweep syncs the journals, and removes what has expired.
func (b *Batches) sweep(ctx context.Context) {
	sync, remove := time.NewTicker(syncEvery), time.NewTicker(sweepEvery)
	defer sync.Stop()
	defer remove.Stop()
	for {
		select {
		case <-sync.C:
			for _, j := range b.journals() {
				b.unwritten(j.sync())
			}
		case <-remove.C:
			b.Sweep()
		case <-ctx.Done():
			return
		}
	}
}

func (b *Batches) journals() (all []*journal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.active {
		all = append(all, w.journal)
	}
	return all
}

// Sweep removes files and ended batches whose time is over. Run calls it.
func (b *Batches) Sweep() {
	now := b.now()
	for _, id := range b.files.expired(now) {
		if b.userOf(id) == "" {
			b.unwritten(b.files.remove(id))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.all {
		if w.status.Final() && now.Sub(w.states[len(w.states)-1].At) > b.config().Keep {
			b.unwritten(os.Remove(b.path(id)))
			delete(b.all, id)
		}
	}
}

// userOf is the batch that needs the file yet; empty: none does.
func (b *Batches) userOf(file string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.all {
		if w.head.Input == file && !w.status.Final() {
			return id
		}
	}
	return ""
}

// unwritten counts and tells a write that failed.
func (b *Batches) unwritten(err error) {
	if err != nil {
		b.tallies.unwritten.Add(1)
		b.log.Error("not written", "err", err)
	}
}

// poke wakes the dispatcher.
func (b *Batches) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Stats are figures of all batches.
type Stats struct {
	Batches map[Status]int
	// Completed and Failed lines since the start, Retried and Busy tries.
	Completed, Failed, Retried, Busy int64
	// Unwritten counts writes that failed.
	Unwritten int64
	InFlight  int
	FileBytes int64
}

// Stats now.
func (b *Batches) Stats() Stats {
	t := &b.tallies
	s := Stats{
		Batches: make(map[Status]int), Completed: t.completed.Load(), Failed: t.failed.Load(),
		Retried: t.retried.Load(), Busy: t.busy.Load(), Unwritten: t.unwritten.Load(), FileBytes: b.files.size(),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.InFlight = b.inFlight
	for _, w := range b.all {
		s.Batches[w.status]++
	}
	return s
}

package server

import (
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// load is what the router has on its hands. It says no before there is too
// much of it: an answer that comes at once, and tells when to come again, is
// better for everybody than one that comes too late.
//
// Two things are bounded: the requests in flight, by server.max_in_flight, and
// the memory, by GOMEMLIMIT where that is set. Memory in use is what was alive
// at the last collection and what was read of bodies since; garbage that only
// waits to be collected is none, although it counts for GOMEMLIMIT.
type load struct {
	inFlight atomic.Int64

	limit int64 // of memory, in bytes; 0: none
	// read is how many bytes of bodies were read since the last collection.
	read atomic.Int64
	mem  struct {
		next    atomic.Int64 // when to look again, in nanoseconds
		alive   atomic.Int64 // at the last collection, in bytes, with what is not heap
		all     atomic.Int64 // garbage included
		seen    atomic.Int64 // read at the last look
		cycles  atomic.Uint64
		collect atomic.Int64 // when a collection may be asked for again, in nanoseconds
	}
	sample func() memory // of a test
	shed   func(why string)
}

const (
	// shedLarge is the part of GOMEMLIMIT from which on requests with a body of
	// more than smallBody bytes are refused; from shedAll on, all are.
	shedLarge, shedAll = 0.85, 0.95
	smallBody          = 64 << 10
	// copies is how many times a body is in memory at the most: as it came, and
	// as an upstream gets it.
	copies = 2
	// lookEvery is how old a look at the memory may be, collectEvery how often a
	// collection is asked for while requests are refused: without allocations
	// none would come by itself, and all would be refused for ever.
	lookEvery    = 20 * time.Millisecond
	collectEvery = time.Second
	// shedRetry is when a refused client may come again.
	shedRetry = time.Second
)

// memory is one look at it, in bytes.
type memory struct {
	alive, all int64
	cycles     uint64
}

func newLoad(shed func(why string)) *load {
	l := &load{sample: look, shed: shed}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		l.limit = limit
	}
	return l
}

// look reads the runtime's own figures.
func look() memory {
	s := [...]metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(s[:])
	n := func(i int) int64 { return int64(s[i].Value.Uint64()) }
	all := n(0) - n(1)
	return memory{alive: all - n(2) - n(3) - n(4) + n(5), all: all, cycles: s[6].Value.Uint64()}
}

// used is the memory in use, in bytes, as far as it is known.
func (l *load) used(now time.Time) int64 {
	m := &l.mem
	if next := m.next.Load(); now.UnixNano() >= next && m.next.CompareAndSwap(next, now.Add(lookEvery).UnixNano()) {
		s := l.sample()
		if m.cycles.Swap(s.cycles) != s.cycles {
			// What was read before the last look has been counted by the collection.
			l.read.Add(-m.seen.Swap(0))
		}
		m.seen.Store(l.read.Load())
		m.alive.Store(s.alive)
		m.all.Store(s.all)
	}
	return min(m.alive.Load()+copies*l.read.Load(), m.all.Load())
}

// room reports whether there is memory for a body of so many more bytes.
func (l *load) room(now time.Time, size int64) bool {
	if l.limit == 0 {
		return true
	}
	part := float64(l.used(now)+copies*max(size, 0)) / float64(l.limit)
	if part < shedLarge || part < shedAll && size <= smallBody {
		return true
	}
	if at := l.mem.collect.Load(); now.UnixNano() >= at && l.mem.collect.CompareAndSwap(at, now.Add(collectEvery).UnixNano()) {
		go runtime.GC()
	}
	return false
}

// Why a request was refused, as metrics call it.
const (
	shedInFlight    = "in_flight"
	shedMemory      = "memory"
	shedConnections = "connections"
)

// begin counts a request in; false: there is enough to do already. Every one
// counted in needs an end.
func (l *load) begin(now time.Time, most int, size int64) bool {
	switch n := l.inFlight.Add(1); {
	case most > 0 && n > int64(most):
		l.shed(shedInFlight)
	case !l.room(now, size):
		l.shed(shedMemory)
	default:
		return true
	}
	l.inFlight.Add(-1)
	return false
}

func (l *load) end() { l.inFlight.Add(-1) }

// body counts what is read of a body, and ends one for which there is no room.
func (l *load) body(r io.ReadCloser) io.ReadCloser {
	if l.limit == 0 {
		return r
	}
	return &counted{r, l, 0}
}

type counted struct {
	io.ReadCloser
	load *load
	n    int64
}

var errNoRoom = errors.New("no memory for this body")

func (c *counted) Read(p []byte) (int, error) {
	if c.n > smallBody && !c.load.room(time.Now(), 0) {
		c.load.shed(shedMemory)
		return 0, errNoRoom
	}
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	c.load.read.Add(int64(n))
	return n, err
}

// overloaded is the answer to a request that is one too many.
func overloaded(h http.Header) *wire.Error {
	retryAfter(h, shedRetry)
	e := openai.Fault(http.StatusTooManyRequests, "The router has as much to do as it can. Please try again soon.")
	e.Code = "router_overloaded"
	return e
}

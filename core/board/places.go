package board

import (
	"math"
	"sync/atomic"
)

// places are how many requests a channel works on, and the share of
// max_in_flight that this router has of all routers, in one word: a request is
// counted in under the very share that holds at that moment.
type places struct{ word atomic.Uint64 } // share+1 above, 0: the whole limit; in flight below

const placesBits = 32

// claim never exceeds the limit and the share, and never fails where a place is
// free. A limit of 0 is none.
func (p *places) claim(limit int64) bool {
	for {
		w := p.word.Load()
		if limit > 0 && int64(uint32(w)) >= min(limit, shareOf(w)) {
			return false
		}
		if p.word.CompareAndSwap(w, w+1) {
			return true
		}
	}
}

func (p *places) full(limit int64) bool {
	w := p.word.Load()
	return int64(uint32(w)) >= min(limit, shareOf(w))
}

// leave answers how many are left.
func (p *places) leave() int64 { return int64(uint32(p.word.Add(^uint64(0)))) }

func (p *places) inFlight() int64 { return int64(uint32(p.word.Load())) }

func shareOf(w uint64) int64 {
	if s := w >> placesBits; s > 0 {
		return int64(s - 1)
	}
	return math.MaxInt64
}

// share of the limit; [Whole]: all of it.
func (p *places) share() int64 {
	if s := shareOf(p.word.Load()); s != math.MaxInt64 {
		return s
	}
	return Whole
}

// setShare answers how many are in flight: of those that come from then on,
// none goes beyond the share.
func (p *places) setShare(n int64) int64 {
	for {
		w := p.word.Load()
		next := w & math.MaxUint32
		if n != Whole {
			next |= uint64(min(n, math.MaxUint32-1)+1) << placesBits
		}
		if p.word.CompareAndSwap(w, next) {
			return int64(uint32(w))
		}
	}
}

package board

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// suspects are the targets of a channel that were banned since it last answered.
type suspects struct {
	some    atomic.Bool
	mu      sync.Mutex
	targets map[string]*targetLive // by model
}

// add takes a target in and answers the models that are banned now, sorted.
func (s *suspects) add(t *Target, now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.targets == nil {
		s.targets = make(map[string]*targetLive)
	}
	s.targets[t.Model] = t.targetLive
	s.some.Store(true)
	maps.DeleteFunc(s.targets, func(_ string, l *targetLive) bool {
		b := l.ban.Load()
		return b == nil || b.Ended(now)
	})
	return slices.Sorted(maps.Keys(s.targets))
}

// clear forgets them: the channel answered. The common request writes nothing.
func (s *suspects) clear() {
	if !s.some.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.targets)
	s.some.Store(false)
}

// suspect bans the whole channel when so many of its models are banned, with
// no success between, that the fault can't be theirs alone. It is a soft ban:
// its other models still answer where nobody else does.
func (b *Board) suspect(t *Target, f Failure) {
	c, now := t.Channel, b.now()
	ban := t.ban.Load()
	if ban == nil {
		return // answered meanwhile
	}
	names := c.suspects.add(t, now)
	if len(names) < b.terms.Load().Models {
		return
	}
	b.put(c, "", &c.seat, func(last *Ban) *Ban {
		whole := &Ban{
			Class: Models, Since: now, Until: ban.Until, Times: 1,
			Reason: fmt.Sprintf("%d models are banned (%s), the last one by %s", len(names), strings.Join(names, ", "), f.Reason),
		}
		switch {
		case last == nil:
		case last.Ended(now), last.Class == Models && last.halfOpen(now):
			whole.Times = last.Times + 1
		default: // it lasts, for whatever reason
			return last
		}
		return whole
	})
}

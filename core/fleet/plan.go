package fleet

import (
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
)

// hold is what this router has of a limit.
type hold struct {
	// share is what the board lets through, held what the others are told: at
	// least the share, and at least what is in use.
	share, held int64
	target      int64
	need        board.Need
	ticket      int64
	// had: the share was once what it should be, even if that is nothing.
	had bool
	// since is when this router first knew of the limit.
	since time.Time
}

// look takes in what is needed. Who begins to wait, and who was served and waits
// again, comes behind all others that wait.
func (h *hold) look(n board.Need, others []party) {
	if !n.Since.Equal(h.need.Since) {
		h.ticket = 1
		for _, p := range others {
			h.ticket = max(h.ticket, p.Ticket+1)
		}
	}
	if n.Since.IsZero() {
		h.ticket = 0
	}
	h.need = n
}

// claim is what the others are told.
func (h *hold) claim(l board.Limit) claim {
	c := claim{Held: h.held, Wanted: h.need.Wanted, Least: h.need.Least, Ticket: h.ticket}
	if l != board.LimitInFlight {
		c.Spent = h.need.Used
	}
	return c
}

func (f *Fleet) hold(s slot) *hold {
	h := f.holds[s]
	if h == nil {
		h = &hold{since: time.Now()}
		f.holds[s] = h
	}
	return h
}

// plan gives up what others should have, and says what this router would take.
// It reports whether the others are to be told at once.
func (f *Fleet) plan(slots map[slot]*board.Channel, terms *config.Fleet, now time.Time) (changed bool) {
	settled := f.settled(terms)
	for s, c := range slots {
		h := f.hold(s)
		was := *h
		held, dead, parties := f.others(s, terms, now)
		h.look(c.Need(s.limit), parties)
		parties = append(parties, party{f.id, h.claim(s.limit)})
		most := c.Most(s.limit)
		h.target = fair(most-dead, parties)[f.id]
		if !settled {
			h.target = min(h.target, h.share)
		}
		used := h.need.Used
		if h.target < h.share || c.Share(s.limit) != h.share {
			h.share = min(h.target, h.share)
			used = c.SetShare(s.limit, h.share)
		}
		h.held = max(h.share, used, min(h.target, most-held))
		short := func(h *hold) bool { return h.need.Wanted > h.held }
		changed = changed || h.held != was.held || short(h) != short(&was) ||
			short(h) && h.need.Wanted > was.need.Wanted+was.need.Wanted/4
	}
	return changed
}

// others answers what all others hold of a limit, how much of that nobody lives
// to use, and who they are.
func (f *Fleet) others(s slot, terms *config.Fleet, now time.Time) (held, dead int64, parties []party) {
	name := s.String()
	live := make(map[string]int)
	for _, p := range f.peers {
		claim, has := p.Limits[name]
		if !has || !p.binds(s.limit, now, terms.Lease) {
			continue
		}
		held += claim.Held
		if !p.alive(now, terms.Lease) {
			dead += claim.Held
			continue
		}
		i, known := live[p.router]
		if !known {
			live[p.router] = len(parties)
			parties = append(parties, party{p.router, claim})
			continue
		}
		// A key of before, of which nobody knows whether it is good.
		parties[i].Wanted = max(parties[i].Wanted, claim.Wanted)
		parties[i].Spent = max(parties[i].Spent, claim.Spent)
	}
	return held, dead, parties
}

// confirm takes what was said, and read not to be too much.
func (f *Fleet) confirm(slots map[slot]*board.Channel, terms *config.Fleet, now time.Time) {
	for s, c := range slots {
		h := f.hold(s)
		h.had = h.had || f.settled(terms)
		held, _, _ := f.others(s, terms, now)
		if n := min(h.target, h.held, c.Most(s.limit)-held); n > h.share {
			h.share = n
			c.SetShare(s.limit, n)
		}
	}
}

// busy reports whether places are about to change hands.
func (f *Fleet) busy(slots map[slot]*board.Channel) bool {
	for s := range slots {
		// More than it should have is given up as soon as it is free.
		if h := f.hold(s); s.limit == board.LimitInFlight && (h.held > h.target || h.share < h.target) {
			return true
		}
	}
	return false
}

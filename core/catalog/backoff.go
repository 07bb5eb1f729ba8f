package catalog

import "time"

// Restart says when a crashed plugin starts again.
type Restart struct {
	// First is the wait before the second start in a row; the first is at
	// once. It doubles up to Max.
	First, Max time.Duration
	// Crashes within Window put a plugin into quarantine. After it there is
	// one try, and the next quarantine where that does not live for a Window.
	Crashes    int
	Window     time.Duration
	Quarantine time.Duration
}

// backoff counts the crashes of one plugin.
type backoff struct {
	Restart
	recent      []time.Time // the last Crashes ones
	inRow       int
	quarantined bool // the last wait was a quarantine
}

// crashed answers how long to wait after a crash at now of a process that ran
// for lived, and whether that is a quarantine.
func (b *backoff) crashed(now time.Time, lived time.Duration) (wait time.Duration, quarantine bool) {
	if lived >= b.Window {
		b.inRow, b.quarantined = 0, false
	}
	b.inRow++
	b.recent = append(b.recent, now)
	if over := len(b.recent) - b.Crashes; over > 0 {
		b.recent = b.recent[over:]
	}
	if len(b.recent) == b.Crashes && now.Sub(b.recent[0]) <= b.Window {
		b.quarantined = true
	}
	switch {
	case b.quarantined:
		return b.Quarantine, true
	case b.inRow == 1:
		return 0, false
	}
	wait = b.First
	for range b.inRow - 2 {
		if wait *= 2; wait >= b.Max {
			return b.Max, false
		}
	}
	return wait, false
}

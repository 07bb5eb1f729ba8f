package h1

import (
	"sync"
	"time"
)

// deadline is one of a connection's two. To set one costs more than a small
// read: so it is set only before the connection is really used, and not for a
// small part of the time that is left.
type deadline struct {
	set func(time.Time) error

	mu         sync.Mutex
	want, have time.Time // zero: none
	using      bool
}

// grain is the part of the remaining time by which a deadline may be early.
const grain = 16

// by sets when the next uses end, and the present one.
func (d *deadline) by(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	if d.using {
		return d.apply()
	}
	return nil
}

// begin is called before a use, end after it.
func (d *deadline) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.using = true
	return d.apply()
}

func (d *deadline) end() {
	d.mu.Lock()
	d.using = false
	d.mu.Unlock()
}

// apply is called with the lock held.
func (d *deadline) apply() error {
	if d.want.Equal(d.have) {
		return nil
	}
	if !d.want.IsZero() && !d.have.IsZero() {
		if late := d.want.Sub(d.have); late >= 0 && late <= time.Until(d.want)/grain {
			return nil
		}
	}
	d.have = d.want
	return d.set(d.want)
}

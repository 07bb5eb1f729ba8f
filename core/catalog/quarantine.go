package catalog

import (
	"context"
	"strings"
)

// Quarantine takes the plugin out of service by an operator's word, until
// [Instance.Release]: its process ends after its last call, and calls fail with
// [Down]. A reload does not end it.
func (i *Instance) Quarantine(reason string) {
	i.mu.Lock()
	i.parked = reason
	i.mu.Unlock()
	tell(i.park)
}

// Release ends a quarantine, be it an operator's or for crashes, and reports
// whether there was one. The plugin starts then, which takes a moment.
func (i *Instance) Release() bool {
	i.mu.Lock()
	was := i.parked != "" || i.status.State == Quarantined
	i.parked = ""
	i.mu.Unlock()
	if was {
		tell(i.hurry)
	}
	return was
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// quarantine is why an operator has the plugin out of service; empty: he has not.
func (i *Instance) quarantine() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.parked
}

// out makes calls fail for an operator's reason.
func (i *Instance) out(reason string) {
	i.absent(Quarantined, reason)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status.LastExit = reason
}

// released waits while an operator has the plugin out of service; false: ctx has
// ended.
func (i *Instance) released(ctx context.Context) bool {
	for reason := i.quarantine(); reason != ""; reason = i.quarantine() {
		i.out(reason)
		select {
		case <-i.hurry:
		case <-i.park: // for another reason
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return false
		}
	}
	return ctx.Err() == nil
}

// comeBack starts the plugin after an operator's quarantine; nil: ctx has ended.
func (i *Instance) comeBack(ctx context.Context, b *backoff) *life {
	if !i.released(ctx) {
		return nil
	}
	i.absent(Starting, "its quarantine has just ended")
	l, err := i.start(ctx)
	if err != nil && ctx.Err() == nil {
		reason := strings.TrimPrefix(err.Error(), who(i.upstream.plugin.Load())+": ")
		l = i.revive(ctx, b, reason, 0)
	}
	return l
}

// follow takes over from the instance whose place this one takes: its counts,
// and an operator's quarantine.
func (i *Instance) follow(old *Instance) {
	s := old.Status()
	i.calls.Store(s.Calls)
	i.errors.Store(s.Errors)
	i.status.Restarts, i.status.MemoryKills, i.status.Epoch = s.Restarts, s.MemoryKills, s.Epoch
	if reason := old.quarantine(); reason != "" {
		i.Quarantine(reason)
	}
}

package conform

import "time"

// limits are how long things may take.
type limits struct {
	start   time.Duration // until it is configured
	call    time.Duration // that nothing should hold up: whoever needs longer hangs
	busy    time.Duration // 1,000 calls at once, on a machine that is busy itself
	silence time.Duration // after which it counts as hung
	settle  time.Duration // the end of what was given up
	goodbye time.Duration // the orderly end
	notice  time.Duration // from the end of a connection to that of its process
	death   time.Duration // until the end of a process, or of what it started, is seen
}

// routers are the router's own, which core/config and core/catalog have too, and
// others that fit them.
var routers = limits{
	start: 10 * time.Second, call: 5 * time.Second, busy: 30 * time.Second, silence: 900 * time.Millisecond,
	settle: 5 * time.Second, goodbye: 2 * time.Second, notice: 200 * time.Millisecond, death: 5 * time.Second,
}

// times gives more of each; less than 2 changes nothing.
func (l limits) times(slack int) limits {
	n := time.Duration(max(slack, 1))
	return limits{
		start: n * l.start, call: n * l.call, busy: n * l.busy, silence: n * l.silence,
		settle: n * l.settle, goodbye: n * l.goodbye, notice: n * l.notice, death: n * l.death,
	}
}

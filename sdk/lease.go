package sdk

import "time"

// Lease says how long an answer may be used again: at once while it is fresh,
// then as long again as Stale while it is renewed behind the requests. The
// zero Lease is the host's default for the kind of answer.
type Lease struct {
	Fresh time.Duration
	Stale time.Duration
}

// MaxLease is the longest that the router takes, for Fresh and for Stale: what a
// plugin says beyond it counts as that much. Nothing that is decided about a
// request stays true for longer, and a plugin that is wrong about it would be
// obeyed until the next reload.
const MaxLease = 24 * time.Hour

// NoLease forbids using an answer again: every request asks.
var NoLease = Lease{Fresh: -1}

// For is a lease that is fresh for d and never stale.
func For(d time.Duration) Lease { return Lease{Fresh: d} }

// IsZero reports whether l is the host's default.
func (l Lease) IsZero() bool { return l == Lease{} }

// Package tally counts what is read of a cache in memory: a write for each
// would cost more than the read.
package tally

import (
	"sync"
	"sync/atomic"
)

// Tally has the hits and misses by namespace that are not yet written. Its zero
// value is ready.
type Tally struct {
	namespaces sync.Map // string -> *reads
}

type reads struct{ hits, misses atomic.Int64 }

func (t *Tally) of(namespace string) *reads {
	if r, ok := t.namespaces.Load(namespace); ok {
		return r.(*reads)
	}
	r, _ := t.namespaces.LoadOrStore(namespace, new(reads))
	return r.(*reads)
}

// Hit counts one that was there.
func (t *Tally) Hit(namespace string) { t.of(namespace).hits.Add(1) }

// Miss counts one that was not.
func (t *Tally) Miss(namespace string) { t.of(namespace).misses.Add(1) }

// Counted is what was read of a namespace and not yet written.
type Counted struct {
	Namespace    string
	Hits, Misses int64
}

// Pending lists them.
func (t *Tally) Pending() []Counted {
	var list []Counted
	t.namespaces.Range(func(k, v any) bool {
		r := v.(*reads)
		if c := (Counted{k.(string), r.hits.Load(), r.misses.Load()}); c.Hits+c.Misses > 0 {
			list = append(list, c)
		}
		return true
	})
	return list
}

// Written takes off what is kept elsewhere now.
func (t *Tally) Written(list []Counted) {
	for _, c := range list {
		r := t.of(c.Namespace)
		r.hits.Add(-c.Hits)
		r.misses.Add(-c.Misses)
	}
}

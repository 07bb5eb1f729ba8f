package local

import (
	"sync"
	"sync/atomic"
)

// tally counts reads in memory: a write for each would cost more than the read.
type tally struct {
	namespaces sync.Map // string -> *reads
}

type reads struct{ hits, misses atomic.Int64 }

func (t *tally) of(namespace string) *reads {
	if r, ok := t.namespaces.Load(namespace); ok {
		return r.(*reads)
	}
	r, _ := t.namespaces.LoadOrStore(namespace, new(reads))
	return r.(*reads)
}

func (t *tally) hit(namespace string)  { t.of(namespace).hits.Add(1) }
func (t *tally) miss(namespace string) { t.of(namespace).misses.Add(1) }

// counted is what was read of a namespace and not yet written.
type counted struct {
	namespace    string
	hits, misses int64
}

// pending lists them.
func (t *tally) pending() []counted {
	var list []counted
	t.namespaces.Range(func(k, v any) bool {
		r := v.(*reads)
		if c := (counted{k.(string), r.hits.Load(), r.misses.Load()}); c.hits+c.misses > 0 {
			list = append(list, c)
		}
		return true
	})
	return list
}

// written takes off what the file has now.
func (t *tally) written(list []counted) {
	for _, c := range list {
		r := t.of(c.namespace)
		r.hits.Add(-c.hits)
		r.misses.Add(-c.misses)
	}
}

package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cacheMetrics tells what is remembered when it is scraped.
type cacheMetrics struct{ state func() *State }

var (
	cacheReads = prometheus.NewDesc("smartrouter_cache_reads_total",
		"Looks at what the router remembers, by kind and by what was there: hit, stale (past its time) or miss.", []string{"kind", "result"}, nil)
	cacheEvictions = prometheus.NewDesc("smartrouter_cache_evictions_total",
		"Entries of a kind that gave way to others before their time was over.", []string{"kind"}, nil)
	cacheEntries = prometheus.NewDesc("smartrouter_cache_entries", "Entries of a kind.", []string{"kind"}, nil)
	cacheAge     = prometheus.NewDesc("smartrouter_cache_age_seconds",
		"How long ago the oldest and the newest entry of a kind were learned.", []string{"kind", "entry"}, nil)

	storeReads = prometheus.NewDesc("smartrouter_store_reads_total",
		"Look-ups in a cache plugin since its store was made.", []string{"plugin", "namespace", "result"}, nil)
	storePuts = prometheus.NewDesc("smartrouter_store_writes_total",
		"Entries written into a cache plugin since its store was made.", []string{"plugin", "namespace"}, nil)
	storeRemoved = prometheus.NewDesc("smartrouter_store_removed_total",
		"Entries that a cache plugin removed: expired ones, and evicted ones before their time.", []string{"plugin", "namespace", "why"}, nil)
	storeEntries = prometheus.NewDesc("smartrouter_store_entries", "Entries in a cache plugin.", []string{"plugin", "namespace"}, nil)
	storeBytes   = prometheus.NewDesc("smartrouter_store_bytes", "Bytes of their keys and values.", []string{"plugin", "namespace"}, nil)
	storeAge     = prometheus.NewDesc("smartrouter_store_age_seconds",
		"How long ago the oldest and the newest entry were written.", []string{"plugin", "namespace", "entry"}, nil)
	storeAside = prometheus.NewDesc("smartrouter_store_set_aside",
		"Damaged stores that a cache plugin has set aside, until somebody removes them.", []string{"plugin"}, nil)
)

// Describe is part of prometheus.Collector.
func (*cacheMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		cacheReads, cacheEvictions, cacheEntries, cacheAge,
		storeReads, storePuts, storeRemoved, storeEntries, storeBytes, storeAge, storeAside,
	} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *cacheMetrics) Collect(ch chan<- prometheus.Metric) {
	st := c.state()
	if st == nil {
		return
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	ages := func(d *prometheus.Desc, a Ages, labels ...string) {
		if a.Oldest != nil && a.Newest != nil {
			gauge(d, *a.Oldest, append(labels, "oldest")...)
			gauge(d, *a.Newest, append(labels[:len(labels):len(labels)], "newest")...)
		}
	}
	caches := st.Caches(context.Background(), time.Now())
	for _, k := range caches.Kinds {
		count(cacheReads, k.Hits, k.Kind, "hit")
		count(cacheReads, k.StaleHits, k.Kind, "stale")
		count(cacheReads, k.Misses, k.Kind, "miss")
		count(cacheEvictions, k.Evicted, k.Kind)
		gauge(cacheEntries, float64(k.Entries), k.Kind)
		ages(cacheAge, k.Ages, k.Kind)
	}
	for _, s := range caches.Stores {
		if s.Error != "" {
			continue // its call is counted as one that failed
		}
		gauge(storeAside, float64(s.SetAside), s.Plugin)
		for _, n := range s.Namespaces {
			count(storeReads, n.Hits, s.Plugin, n.Namespace, "hit")
			count(storeReads, n.Misses, s.Plugin, n.Namespace, "miss")
			count(storePuts, n.Puts, s.Plugin, n.Namespace)
			count(storeRemoved, n.Expired, s.Plugin, n.Namespace, "expired")
			count(storeRemoved, n.Evicted, s.Plugin, n.Namespace, "evicted")
			gauge(storeEntries, float64(n.Entries), s.Plugin, n.Namespace)
			gauge(storeBytes, float64(n.Bytes), s.Plugin, n.Namespace)
			ages(storeAge, n.Ages, s.Plugin, n.Namespace)
		}
	}
}

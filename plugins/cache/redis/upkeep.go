package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// portion is how many entries of a namespace one script sweeps, and of how many
// it looks whether Redis has evicted them.
const portion = 500

// evictionKept is how long an eviction is kept for who polls for changes. Who
// missed it asks once for what is not there.
const evictionKept = time.Minute

// upkeep is what is done behind the requests, until Close. Where Redis is gone
// it is left for the next time: link says so in the log.
func (r *redis) upkeep() {
	defer close(r.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(r.config.SweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = r.writeTally(ctx)
			r.sweep(ctx)
		case <-r.quit:
			_, _ = r.writeTally(ctx)
			return
		}
	}
}

// sweep takes what has expired out of the lists, a portion at a time; Redis has
// removed the entries itself.
func (r *redis) sweep(ctx context.Context) {
	for {
		select {
		case <-r.quit:
			return
		default:
		}
		m, err := r.run(ctx, scripts().sweep, strconv.Itoa(portion), milliseconds(evictionKept))
		if err != nil {
			return
		}
		if more, err := m.AsInt64(); err != nil || more == 0 {
			return
		}
	}
}

// writeTally adds the hits and misses of this router to those of all, and
// answers the figures. Where Redis does not answer, they may be counted twice.
func (r *redis) writeTally(ctx context.Context) (rueidis.RedisMessage, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	list := r.tally.Pending()
	args := make([]string, 0, 3*len(list))
	for _, c := range list {
		args = append(args, escape(c.Namespace), strconv.FormatInt(c.Hits, 10), strconv.FormatInt(c.Misses, 10))
	}
	m, err := r.run(ctx, scripts().stats, args...)
	if err == nil {
		r.tally.Written(list)
	}
	return m, err
}

// parseStats reads the answer of scripts/stats.lua.
func parseStats(m rueidis.RedisMessage) (all sdk.CacheStats, err error) {
	const row = 10
	answer, err := m.AsStrSlice()
	if err != nil {
		return all, errorf("stats: %w", err)
	}
	if len(answer)%row != 0 {
		return all, errorf("stats: an answer of %d parts", len(answer))
	}
	for part := range slices.Chunk(answer, row) {
		var s sdk.NamespaceStats
		if s.Namespace, err = unescape(part[0]); err != nil {
			return sdk.CacheStats{}, errorf("stats: %w", err)
		}
		var oldest, newest int64 // Unix microseconds
		for i, to := range []*int64{&s.Entries, &s.Bytes, &s.Hits, &s.Misses, &s.Puts, &s.Expired, &s.Evicted, &oldest, &newest} {
			if *to, err = strconv.ParseInt(part[i+1], 10, 64); err != nil {
				return sdk.CacheStats{}, errorf("stats %s: %w", s.Namespace, err)
			}
		}
		if newest > 0 {
			s.Oldest, s.Newest = time.UnixMicro(oldest), time.UnixMicro(newest)
		}
		all.Namespaces = append(all.Namespaces, s)
	}
	slices.SortFunc(all.Namespaces, func(a, b sdk.NamespaceStats) int { return strings.Compare(a.Namespace, b.Namespace) })
	return all, nil
}

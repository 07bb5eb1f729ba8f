package catalog

import (
	"context"
	"errors"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Details is Status with what takes longer to find out.
func (i *Instance) Details() Status {
	s := i.Status()
	s.P99 = i.took.p99()
	if f := i.lastFailure.Load(); f != nil {
		s.LastError, s.LastErrorAt = f.text, &f.at
	}
	s.Memory = memoryOf(s.PID)
	return s
}

// failure is the last call that failed.
type failure struct {
	text string
	at   time.Time
}

// failed keeps an error to be shown. A caller who left, and an adapter's answer
// that its provider has no such endpoint, say nothing of the plugin.
func (i *Instance) failed(err error) {
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Unimplemented {
		return
	}
	i.lastFailure.Store(&failure{text: err.Error(), at: time.Now()})
}

// latencies counts calls by how long they took. Each power of two of
// microseconds has four buckets, so that a quantile is off by an eighth at most.
type latencies [4 * 40]atomic.Uint64

func (l *latencies) add(d time.Duration) {
	l[min(bucketOf(d), len(l)-1)].Add(1)
}

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds())) + 4 // the first buckets have four values to part
	n := bits.Len64(us)
	return (n-3)*4 + int(us>>(n-3))&3
}

// p99 is the upper end of the bucket that it lies in; 0: no calls.
func (l *latencies) p99() time.Duration {
	var counts [len(l)]uint64
	var all uint64
	for i := range l {
		counts[i] = l[i].Load()
		all += counts[i]
	}
	if all == 0 {
		return 0
	}
	rank := uint64(0.99 * float64(all))
	for i, n := range counts {
		if rank < n || i == len(counts)-1 {
			top := uint64(i%4+5)<<(i/4) - 4
			return time.Duration(top) * time.Microsecond
		}
		rank -= n
	}
	return 0
}

// memoryOf is the memory that a process has for itself, with its part of what
// it shares (PSS): plugins of one program share much of it. Where that can't be
// read it is all that it has (RSS); 0: there is no process.
func memoryOf(pid int) int64 {
	if pid == 0 {
		return 0
	}
	dir := "/proc/" + strconv.Itoa(pid)
	for _, from := range []struct{ file, line string }{{"/smaps_rollup", "Pss:"}, {"/status", "VmRSS:"}} {
		text, err := os.ReadFile(dir + from.file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			value, ok := strings.CutPrefix(line, from.line)
			if !ok {
				continue
			}
			if kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

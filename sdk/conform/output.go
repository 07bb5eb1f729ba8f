package conform

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
)

// output counts what a process prints on one of its streams, and keeps the end
// of it.
type output struct {
	mu    sync.Mutex
	bytes int64
	lines int64
	last  []string // the newest lines
	panic string   // the first line of a Go panic
}

const (
	keptLines     = 20
	keptLineBytes = 300
)

// read goes on until r ends, whatever comes: a full pipe would stop the plugin.
func (o *output) read(r *bufio.Reader) {
	for rest := false; ; {
		piece, err := r.ReadSlice('\n')
		o.take(piece, rest)
		rest = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !rest {
			_, _ = io.Copy(io.Discard, r)
			return
		}
	}
}

func (o *output) take(piece []byte, rest bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes += int64(len(piece))
	if rest || len(piece) == 0 {
		return
	}
	o.lines++
	line := strings.TrimSpace(string(piece[:min(len(piece), keptLineBytes)]))
	if o.panic == "" && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
		o.panic = line
	}
	o.last = append(o.last, line)
	if len(o.last) > keptLines {
		o.last = o.last[1:]
	}
}

func (o *output) counts() (lines, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines, o.bytes
}

// cause is what it said last; a panic says more than its trace.
func (o *output) cause() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.panic != "" || len(o.last) == 0 {
		return o.panic
	}
	return o.last[len(o.last)-1]
}

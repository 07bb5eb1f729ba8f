package catalog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

// What a plugin may print.
const (
	maxLineBytes     = 8 << 10 // of a line are logged, the rest is dropped
	outputLines      = 100     // lines a second are logged,
	outputLinesBurst = 500     // after a pause so many at once: a panic's trace
	outputBytes      = 8 << 20 // bytes a second are read: more would cost the router a core
	outputBuffer     = 64 << 10
)

// plainLevel is that of lines that are not hclog's JSON.
const plainLevel = hclog.Info

// lines turns what one process prints into log lines. It drops what is too
// much and counts it.
type lines struct {
	log   hclog.Logger
	limit *rate.Limiter // lines
	bytes *rate.Limiter

	mu       sync.Mutex
	dropped  int
	lastLine string // the last that is plain or an error
	panicked string // the first of a panic
}

func newLines(log hclog.Logger) *lines {
	return &lines{
		log:   log,
		limit: rate.NewLimiter(outputLines, outputLinesBurst),
		bytes: rate.NewLimiter(outputBytes, outputBytes),
	}
}

// read logs line after line until r ends. It never stops before, whatever
// comes: a plugin whose pipe is full hangs.
func (l *lines) read(r *bufio.Reader) {
	defer l.report()
	var err error
	for rest := false; err == nil; {
		var line []byte
		line, err = r.ReadSlice('\n')
		if !rest {
			l.line(line)
		}
		// A line longer than the buffer comes in pieces.
		rest = errors.Is(err, bufio.ErrBufferFull)
		if rest {
			err = nil
		}
		_ = l.bytes.WaitN(context.Background(), len(line)) // never over its burst
	}
}

// Write takes what a Go plugin prints through os.Stdout, which go-plugin sends
// over a stream of its own.
func (l *lines) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		l.line(line)
	}
	return len(p), nil
}

func (l *lines) line(line []byte) {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 {
		return
	}
	allowed := l.limit.Allow()
	if !allowed && line[0] == '{' {
		l.drop() // without the cost of parsing it
		return
	}
	e := parseEntry(line)
	l.remember(&e)
	switch {
	case e.level < l.log.GetLevel():
	case !allowed:
		l.drop()
	default:
		l.report()
		l.log.Log(e.level, e.message, e.args...)
	}
}

func (l *lines) drop() {
	l.mu.Lock()
	l.dropped++
	l.mu.Unlock()
}

// report says once how many lines were dropped.
func (l *lines) report() {
	l.mu.Lock()
	n := l.dropped
	l.dropped = 0
	l.mu.Unlock()
	if n > 0 {
		l.log.Warn("plugin prints too much", "dropped_lines", n)
	}
}

// remember keeps what says best why a process ended.
func (l *lines) remember(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.plain && l.panicked == "" && (strings.HasPrefix(e.message, "panic: ") || strings.HasPrefix(e.message, "fatal error: ")) {
		l.panicked = e.message
	}
	if e.plain && l.panicked != "" {
		e.level = hclog.Error
	}
	if e.plain || e.level >= hclog.Error {
		l.lastLine = e.message
	}
}

// cause is what the process said last of its own end; empty: nothing.
func (l *lines) cause() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.panicked != "" {
		return l.panicked
	}
	return l.lastLine
}

// entry is one line.
type entry struct {
	level   hclog.Level
	message string
	args    []any
	plain   bool // not hclog's JSON
}

// parseEntry reads a line of hclog's JSON format, or takes it as it is. A
// plugin prints what it likes, so no field is believed to have its type.
func parseEntry(line []byte) entry {
	if len(line) > maxLineBytes {
		line = append(slices.Clip(line[:maxLineBytes]), " ..."...)
	}
	plain := entry{level: plainLevel, message: strings.ToValidUTF8(string(line), "\uFFFD"), plain: true}
	if line[0] != '{' {
		return plain
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return plain
	}
	message, isText := fields["@message"].(string)
	name, _ := fields["@level"].(string)
	level := hclog.LevelFromString(name)
	if !isText || level == hclog.NoLevel || level == hclog.Off {
		return plain
	}
	e := entry{level: level, message: message}
	keys := make([]string, 0, len(fields))
	for k := range fields {
		if !strings.HasPrefix(k, "@") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		e.args = append(e.args, k, fields[k])
	}
	return e
}

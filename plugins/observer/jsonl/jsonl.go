// Package jsonl is the observer that writes requests that are over to a file,
// one JSON object a line: their decision records.
//
// A line is there whole or not at all, but for the last one before a crash. A
// file that is long is put aside as FILE.1, which becomes FILE.2, and so on.
package jsonl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// log is the plugin; its tagged fields are the config block.
type log struct {
	File    string        `config:"file" doc:"where to; a path that is not absolute is in the plugin's data folder"`
	MaxSize sdk.Size      `config:"max_size" doc:"a longer file is put aside" min:"1024"`
	Keep    int           `config:"keep" doc:"files that were put aside; 0: none" min:"0" max:"1000"`
	Sync    time.Duration `config:"sync" doc:"how long a line may be in the machine's memory only; 0s: none is, as each batch waits for the disk" min:"0s"`

	mu     sync.Mutex
	file   *os.File // nil: it could not be opened again
	size   int64
	synced time.Time
	timer  *time.Timer // nil: all is on the disk
	told   time.Time   // of a file that is not put aside
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "jsonl", Doc: "Writes finished requests to a file, one JSON object a line.", Needs: []string{sdk.NeedPrompt},
		Observer: &log{File: "requests.jsonl", MaxSize: 100 << 20, Keep: 5, Sync: time.Second},
	}
}

// Validate is part of sdk.Validator.
func (l *log) Validate() error {
	if l.File == "" {
		return sdk.ConfigError{Path: "file", Message: "is empty"}
	}
	return nil
}

// Start is part of sdk.Starter.
func (l *log) Start(_ context.Context, s sdk.Setup) error {
	if !filepath.IsAbs(l.File) {
		l.File = filepath.Join(s.DataDir, l.File)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

// open opens the file or makes it. A line that a crash has cut is ended, so that
// it is the only one that can't be read.
func (l *log) open() error {
	f, err := os.OpenFile(l.File, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	var last [1]byte
	if l.size > 0 {
		if _, err := f.ReadAt(last[:], l.size-1); err == nil && last[0] != '\n' {
			n, _ := f.Write([]byte{'\n'}) // a full disk shows with the next line
			l.size += int64(n)
		}
	}
	return nil
}

// Observe is part of sdk.Observer.
func (l *log) Observe(_ context.Context, batch []sdk.Outcome) error {
	var lines []byte
	for _, o := range batch {
		lines = append(append(lines, o.Record...), '\n')
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.there(int64(len(lines))); err != nil {
		return fmt.Errorf("observer(jsonl): %w", err)
	}
	if n, err := l.file.Write(lines); err != nil {
		if n > 0 && l.file.Truncate(l.size) != nil {
			l.shut() // opened again, the rest of the line gets an end
		}
		return fmt.Errorf("observer(jsonl): %w", err)
	}
	l.size += int64(len(lines))
	return l.sync()
}

// there makes sure that the file is open, in its place and has room.
func (l *log) there(more int64) error {
	if l.file != nil {
		mine, err := l.file.Stat()
		its, serr := os.Stat(l.File)
		switch {
		case err != nil || serr != nil || !os.SameFile(mine, its):
			l.shut() // somebody has moved it away
		default:
			l.size = mine.Size()
		}
	}
	if l.file != nil && l.size > 0 && l.size+more > int64(l.MaxSize) {
		if err := l.putAside(); err == nil {
			l.shut()
		} else if time.Since(l.told) >= tellEvery {
			sdk.Log.Warn("a file that is too long is not put aside", "file", l.File, "err", err)
			l.told = time.Now()
		}
	}
	if l.file == nil {
		return l.open()
	}
	return nil
}

// tellEvery is how often the log says that the file is too long.
const tellEvery = time.Minute

// putAside renames the files. Where that can't be, the old one goes on.
func (l *log) putAside() error {
	name := func(i int) string { return l.File + "." + strconv.Itoa(i) }
	for i := l.Keep; i > 1; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if l.Keep == 0 {
		return os.Remove(l.File)
	}
	return os.Rename(l.File, name(1))
}

// sync is called after each write.
func (l *log) sync() error {
	wait := l.Sync - time.Since(l.synced)
	if wait <= 0 {
		return l.flush()
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err := l.flush(); err != nil {
				sdk.Log.Warn("not on the disk", "file", l.File, "err", err)
			}
		})
	}
	return nil
}

func (l *log) flush() error {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.synced = time.Now()
	if l.file == nil {
		return nil
	}
	return l.file.Sync()
}

func (l *log) shut() {
	_ = l.flush() // the next write tells of a disk that fails
	_ = l.file.Close()
	l.file, l.size = nil, 0
}

// Close is part of io.Closer.
func (l *log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.flush()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}

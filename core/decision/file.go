package decision

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// File writes decisions as lines of JSON. A disk that is full, slow or gone
// costs records, which are counted, and no request anything.
type File struct {
	log hclog.Logger
	// settings and the open file of them; nil: nothing is to be written.
	writer atomic.Pointer[writer]

	queue

	written, dropped, failed atomic.Uint64
}

// NewFile writes nothing until Apply says where. Its worker runs until Close.
func NewFile(log hclog.Logger) *File {
	f := &File{log: log, queue: newQueue()}
	go f.work()
	return f
}

// Apply goes over to other settings, with the next line. Where the file can't be
// opened everything stays as it was.
func (f *File) Apply(cfg config.Record) error {
	now := f.writer.Load()
	switch {
	case cfg.File == "":
		f.writer.Store(nil)
		f.stir()
		return nil
	case now != nil && now.cfg == cfg:
		return nil
	}
	w := &writer{cfg: cfg}
	if err := w.open(); err != nil {
		return err
	}
	f.writer.Store(w)
	f.stir()
	return nil
}

// Follower of the records' settings.
func (f *File) Follower(cfg config.Record) Follower {
	out := Follower{Sample: cfg.Sample, Take: f.take}
	if cfg.Prompts {
		out.Prompts = cfg.MaxPrompt
	}
	return out
}

// Counts are how many decisions were written, found no room in the queue, or
// were not taken by the disk.
func (f *File) Counts() (written, dropped, failed uint64) {
	return f.written.Load(), f.dropped.Load(), f.failed.Load()
}

func (f *File) take(d *Decision) {
	w := f.writer.Load()
	if w == nil {
		return
	}
	if _, room := f.put(d, w.cfg.Queue); !room {
		f.dropped.Add(1)
		return
	}
	f.stir()
}

// tellEvery is how often the log says that records are lost.
const tellEvery = time.Minute

func (f *File) work() {
	defer close(f.done)
	var present *writer
	var told time.Time
	var due <-chan time.Time
	for {
		select {
		case <-f.wake:
		case <-due:
		}
		if w := f.writer.Load(); w != present {
			present.end()
			present = w
		}
		f.mu.Lock()
		batch, closed := f.waiting, f.closed
		f.waiting = nil
		f.mu.Unlock()
		due = nil
		if present != nil {
			for piece := range slices.Chunk(batch, atOnce) {
				if err := f.write(present, piece); err != nil && time.Since(told) >= tellEvery {
					f.log.Warn("decision records not kept as they should be", "file", present.cfg.File, "lost", f.failed.Load(), "err", err)
					told = time.Now()
				}
			}
			due = present.sync(time.Now())
		}
		if closed {
			present.end()
			return
		}
	}
}

// atOnce is how many decisions are made one write of.
const atOnce = 256

func (f *File) write(w *writer, batch []*Decision) error {
	lines := make([][]byte, 0, len(batch))
	for _, d := range batch {
		if l := line(d); l != nil {
			lines = append(lines, l)
		}
	}
	lost, err := w.write(lines)
	good := len(lines) - lost
	f.written.Add(uint64(good))
	f.failed.Add(uint64(len(batch) - good))
	return err
}

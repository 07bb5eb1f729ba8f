package decision

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// writer is an open file of records. Only whole lines stay in it.
type writer struct {
	cfg  config.Record
	file *os.File // nil: it could not be opened again
	size int64
	// plain files are put aside when they are long; pipes and devices are not.
	plain bool

	looked  time.Time // when it was last seen to be where it should be
	unsaved bool      // something was written since synced
	synced  time.Time
}

// lookEvery is how often a file is looked for that somebody may have moved away.
const lookEvery = time.Second

// open opens the file, or makes it. A line that a crash has cut is ended, so
// that it is the only one that can't be read.
func (w *writer) open() error {
	f, err := os.OpenFile(w.cfg.File, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.file, w.size, w.plain = f, info.Size(), info.Mode().IsRegular()
	w.looked = time.Now()
	var last [1]byte
	if w.plain && w.size > 0 {
		if _, err := f.ReadAt(last[:], w.size-1); err == nil && last[0] != '\n' {
			n, _ := f.Write([]byte("\n")) // a full disk shows with the next line
			w.size += int64(n)
		}
	}
	return nil
}

// write answers how many lines are not in the file, and why.
func (w *writer) write(lines [][]byte) (lost int, err error) {
	if len(lines) == 0 {
		return 0, nil
	}
	if err := w.there(); err != nil {
		return len(lines), err
	}
	var b bytes.Buffer
	count := 0
	flush := func() {
		if count == 0 {
			return
		}
		n, ferr := w.append(b.Bytes(), count)
		lost, err = lost+n, errors.Join(err, ferr)
		b.Reset()
		count = 0
	}
	for _, l := range lines {
		if w.plain && w.size+int64(b.Len()) > 0 && w.size+int64(b.Len()+len(l)) > w.cfg.MaxSize {
			flush()
			err = errors.Join(err, w.putAside())
			if w.file == nil {
				lost++
				continue
			}
		}
		b.Write(l)
		count++
	}
	flush()
	return lost, err
}

// append writes lines at once. Those that are not there whole are taken back.
func (w *writer) append(b []byte, count int) (lost int, err error) {
	if w.file == nil {
		return count, nil // the reason is known
	}
	n, err := w.file.Write(b)
	w.unsaved = w.unsaved || n > 0
	if err == nil {
		w.size += int64(n)
		return 0, nil
	}
	whole := bytes.LastIndexByte(b[:n], '\n') + 1
	lost = count - bytes.Count(b[:whole], []byte("\n"))
	w.size += int64(whole)
	if n > whole && w.file.Truncate(w.size) != nil {
		w.end() // opened again, the rest of the line gets an end
	}
	return lost, err
}

// there makes sure that the file is open, and where it should be: somebody may
// have moved it away.
func (w *writer) there() error {
	if w.file == nil {
		return w.open()
	}
	now := time.Now()
	if !w.plain || now.Sub(w.looked) < lookEvery {
		return nil
	}
	w.looked = now
	mine, err := w.file.Stat()
	if err == nil {
		w.size = mine.Size() // somebody may have cut it short
	}
	if its, serr := os.Stat(w.cfg.File); err == nil && serr == nil && os.SameFile(mine, its) {
		return nil
	}
	w.end()
	return w.open()
}

// putAside renames the file to FILE.1, that to FILE.2 and so on, and begins a
// new one. Where that can't be, the old one goes on.
func (w *writer) putAside() error {
	name := func(i int) string { return w.cfg.File + "." + strconv.Itoa(i) }
	for i := w.cfg.Keep; i > 1; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var err error
	if w.cfg.Keep > 0 {
		err = os.Rename(w.cfg.File, name(1))
	} else {
		err = os.Remove(w.cfg.File)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w.end()
	return w.open()
}

// sync brings to the disk what has waited long enough, and answers when the
// next time is; nil: nothing waits.
func (w *writer) sync(now time.Time) (due <-chan time.Time) {
	if !w.unsaved || w.cfg.Sync == 0 || w.file == nil {
		return nil
	}
	if left := w.synced.Add(w.cfg.Sync).Sub(now); left > 0 {
		return time.After(left)
	}
	_ = w.file.Sync() // what the disk does not take shows with the next line
	w.unsaved, w.synced = false, now
	return nil
}

// end closes the file, with all of it on the disk where that was asked for.
func (w *writer) end() {
	if w == nil || w.file == nil {
		return
	}
	if w.unsaved && w.cfg.Sync > 0 {
		_ = w.file.Sync() // there is nobody left to tell
	}
	w.file.Close()
	w.file, w.unsaved = nil, false
}

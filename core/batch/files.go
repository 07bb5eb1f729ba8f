package batch

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// stored is a file as it is kept: the content under its id, and this beside it
// in ID.json, which makes the file one.
type stored struct {
	File
	Owner   string    `json:"owner"`
	Created time.Time `json:"created"` // orders files of one second
}

// files are the content and the metadata in one folder.
type files struct {
	dir string

	mu    sync.Mutex
	byID  map[string]*stored
	bytes int64
}

// openFiles reads what is there. What was not finished is removed.
func openFiles(dir string, log hclog.Logger) (*files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &files{dir: dir, byID: make(map[string]*stored)}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		s := new(stored)
		if err := json.Unmarshal(text, s); err != nil || s.ID != id {
			setAside(log, filepath.Join(dir, e.Name()), errors.Join(errors.New("no metadata of a file"), err))
			setAside(log, filepath.Join(dir, id), errors.New("its metadata is damaged"))
			continue
		}
		f.byID[id] = s
		f.bytes += s.Bytes
	}
	for _, e := range entries {
		if f.byID[strings.TrimSuffix(e.Name(), ".json")] == nil && !strings.HasSuffix(e.Name(), damagedExt) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return f, nil
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

func (f *files) path(id string) string { return filepath.Join(f.dir, id) }

// keep writes a file, durably, under an id that may be there already from a
// try before.
func (f *files) keep(s *stored, write func(io.Writer) error) error {
	count := &counter{}
	if err := replace(f.path(s.ID), func(w io.Writer) error {
		count.Writer = w
		return write(count)
	}); err != nil {
		return err
	}
	s.Object, s.Status, s.Bytes = "file", "processed", count.n
	return f.commit(s)
}

// commit makes the content that is in its place a file.
func (f *files) commit(s *stored) error {
	if err := replaceJSON(f.path(s.ID)+".json", s); err != nil {
		os.Remove(f.path(s.ID))
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.byID[s.ID]; old != nil {
		f.bytes -= old.Bytes
	}
	f.byID[s.ID] = s
	f.bytes += s.Bytes
	return nil
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// find is a file of this owner's that has not expired.
func (f *files) find(owner, id string, now time.Time) *stored {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.byID[id]
	if s == nil || s.Owner != owner || s.ExpiresAt <= now.Unix() {
		return nil
	}
	return s
}

// list is an owner's files of a purpose, or of any, the newest first.
func (f *files) list(owner, purpose string, now time.Time) []File {
	f.mu.Lock()
	defer f.mu.Unlock()
	var own []*stored
	for _, s := range f.byID {
		if s.Owner == owner && (purpose == "" || s.Purpose == purpose) && s.ExpiresAt > now.Unix() {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b *stored) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) })
	all := make([]File, len(own))
	for i, s := range own {
		all[i] = s.File
	}
	return all
}

// remove drops a file. Who reads it may go on.
func (f *files) remove(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.byID[id]
	if s == nil {
		return nil
	}
	// The metadata goes first: content alone is no file.
	if err := os.Remove(f.path(id) + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	delete(f.byID, id)
	f.bytes -= s.Bytes
	return errors.Join(os.Remove(f.path(id)), syncDir(f.dir))
}

// expired are the files whose time is over.
func (f *files) expired(now time.Time) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, s := range f.byID {
		if s.ExpiresAt <= now.Unix() {
			ids = append(ids, id)
		}
	}
	return ids
}

func (f *files) size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// Upload is a file on its way in. Its content comes before it is known whether
// the rest of the form is right; Keep or Discard ends it.
type Upload struct {
	b    *Batches
	tmp  *os.File
	size int64
}

// NewUpload begins to take a file.
func (b *Batches) NewUpload() (*Upload, error) {
	tmp, err := os.CreateTemp(b.files.dir, tempPrefix)
	if err != nil {
		return nil, err
	}
	return &Upload{b: b, tmp: tmp}, nil
}

// Read takes the content. A *[wire.Error] says that it is too much.
func (u *Upload) Read(src io.Reader) error {
	most := u.b.config().MaxFile
	n, err := io.Copy(u.tmp, io.LimitReader(src, most-u.size+1))
	u.size += n
	switch {
	case err != nil:
		return err
	case u.size > most:
		e := invalid("file", "file_too_large", fmt.Sprintf("The file has more than %d bytes, the limit batch.max_file of the router.", most))
		e.Status = 413
		return e
	case u.b.files.size()+u.size > u.b.config().MaxStored:
		return invalid("file", "storage_limit_exceeded", fmt.Sprintf("The router keeps no more than %d bytes of files, its limit batch.max_stored. Delete some.", u.b.config().MaxStored))
	}
	return nil
}

// Keep makes it a file of the owner's. ttl: 0 for as long as the router keeps
// files.
func (u *Upload) Keep(owner, name string, ttl time.Duration) (File, error) {
	defer u.Discard()
	now := u.b.now()
	if ttl == 0 || ttl > u.b.config().Keep {
		ttl = u.b.config().Keep
	}
	s := &stored{Owner: owner, Created: now, File: File{
		ID: newID("file-"), Object: "file", Bytes: u.size, CreatedAt: now.Unix(), ExpiresAt: now.Add(ttl).Unix(),
		Filename: name, Purpose: PurposeBatch, Status: "processed",
	}}
	f := u.b.files
	if err := errors.Join(u.tmp.Sync(), u.tmp.Close()); err != nil {
		return File{}, err
	}
	if err := os.Rename(u.tmp.Name(), f.path(s.ID)); err != nil {
		return File{}, err
	}
	if err := f.commit(s); err != nil {
		return File{}, err
	}
	return s.File, nil
}

// Discard ends an upload that was not kept.
func (u *Upload) Discard() {
	u.tmp.Close()
	os.Remove(u.tmp.Name())
}

// Files lists an owner's, the newest first, or the oldest.
func (b *Batches) Files(owner, purpose, after string, limit int, oldest bool) (Page[File], *wire.Error) {
	all := b.files.list(owner, purpose, b.now())
	if oldest {
		slices.Reverse(all)
	}
	p, ok := page(all, func(f File) string { return f.ID }, after, limit)
	if !ok {
		return p, missing("file", after)
	}
	return p, nil
}

// File is one of the owner's.
func (b *Batches) File(owner, id string) (File, *wire.Error) {
	s := b.files.find(owner, id, b.now())
	if s == nil {
		return File{}, missing("file", id)
	}
	return s.File, nil
}

// Content of one of the owner's files. The caller closes it.
func (b *Batches) Content(owner, id string) (*os.File, File, error) {
	s := b.files.find(owner, id, b.now())
	if s == nil {
		return nil, File{}, missing("file", id)
	}
	f, err := os.Open(b.files.path(id))
	return f, s.File, err
}

// DeleteFile removes one of the owner's files, unless a batch needs it yet.
func (b *Batches) DeleteFile(owner, id string) error {
	if b.files.find(owner, id, b.now()) == nil {
		return missing("file", id)
	}
	if user := b.userOf(id); user != "" {
		return invalid("file_id", "file_in_use", "The batch "+user+" is not done with the file. Cancel it first.")
	}
	return b.files.remove(id)
}

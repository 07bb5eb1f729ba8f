package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// store is the entries and their journal: one line of JSON for each write.
type store struct {
	Largest sdk.Size `config:"largest" min:"1024" doc:"a journal that is larger is written anew, without what has expired"`

	mu      sync.Mutex
	items   map[id]*item
	stats   map[string]*sdk.NamespaceStats
	seq     int64
	name    string // of this store: a cursor of another is as good as none
	path    string
	journal *os.File
	size    int64
}

type id struct{ namespace, key string }

// item is an entry with the number and the time of its last change.
type item struct {
	sdk.Entry
	seq int64
	at  time.Time
}

// remembered is how long a deletion is told of: who follows the changes asks
// more often.
const remembered = time.Hour

func (i *item) deleted() bool { return i.Expires.IsZero() }

// Start reads the journal.
func (s *store) Start(_ context.Context, setup sdk.Setup) error {
	s.path = filepath.Join(setup.DataDir, "journal")
	s.items, s.stats = make(map[id]*item), make(map[string]*sdk.NamespaceStats)
	s.name = rand.Text()
	old, err := os.ReadFile(s.path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for line := range bytes.Lines(old) {
		var written []sdk.Entry
		if json.Unmarshal(line, &written) != nil {
			continue // the last line, where a crash cut it off
		}
		s.apply(written)
	}
	return s.rewrite()
}

// Close is called when the router says goodbye.
func (s *store) Close() error { return s.journal.Close() }

// write puts the entries into the journal, all or none, and then into memory.
// What it returned for outlives a kill of the process.
func (s *store) write(ctx context.Context, entries ...sdk.Entry) error {
	if err := ctx.Err(); err != nil || len(entries) == 0 {
		return err
	}
	line, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if _, err := s.journal.Write(append(line, '\n')); err != nil {
		// Half a line must not spoil the next.
		if cut := s.journal.Truncate(s.size); cut != nil {
			return fmt.Errorf("%w, and then %w", err, cut)
		}
		return err
	}
	s.size += int64(len(line)) + 1
	s.apply(entries)
	for _, e := range entries {
		if !e.Expires.IsZero() {
			s.of(e.Namespace).Puts++
		}
	}
	if s.size > int64(s.Largest) {
		return s.rewrite()
	}
	return nil
}

func (s *store) apply(entries []sdk.Entry) {
	for _, e := range entries {
		s.seq++
		s.items[id{e.Namespace, e.Key}] = &item{Entry: e, seq: s.seq, at: time.Now()}
	}
}

// rewrite makes a journal of what is live, and puts it in the old one's place.
func (s *store) rewrite() (err error) {
	f, err := os.OpenFile(s.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close() // the old journal goes on
		}
	}()
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	for k, i := range s.items {
		if _, live := s.live(k.namespace, k.key); live {
			err = lines.Encode([]sdk.Entry{i.Entry})
		} else if !i.deleted() || time.Since(i.at) > remembered {
			delete(s.items, k)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return err
	}
	if s.journal != nil {
		s.journal.Close()
	}
	s.journal, s.size = f, info.Size()
	s.Largest = max(s.Largest, sdk.Size(2*s.size)) // not at every write
	return nil
}

func (s *store) live(namespace, key string) (*item, bool) {
	i, ok := s.items[id{namespace, key}]
	return i, ok && !i.deleted() && time.Now().Before(i.Expires)
}

// of are the figures of a namespace.
func (s *store) of(namespace string) *sdk.NamespaceStats {
	if s.stats[namespace] == nil {
		s.stats[namespace] = new(sdk.NamespaceStats)
	}
	return s.stats[namespace]
}

func (s *store) cursor(seq int64) string { return s.name + "." + strconv.FormatInt(seq, 10) }

func (s *store) position(cursor string) int64 {
	name, number, _ := strings.Cut(cursor, ".")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || name != s.name {
		return 0
	}
	return seq
}

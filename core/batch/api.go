package batch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

const journalExt = ".journal"

func (b *Batches) path(id string) string { return filepath.Join(b.dir, id+journalExt) }

// Order is what a caller asks a batch for.
type Order struct {
	Owner    string
	Endpoint string // one that the router serves
	Input    string // the id of a file of the owner's
	// Window as the caller said it, such as 24h.
	Window   string
	Metadata map[string]string
	// Header goes with every line.
	Header http.Header
	// OutputTTL of the files that the batch makes; 0: as long as files are kept.
	OutputTTL time.Duration
}

// Bounds of the metadata: https://developers.openai.com/api/reference (batches, create).
const (
	maxMetadata = 16
	maxKey      = 64  // characters
	maxValue    = 512 // characters
)

// Create takes a batch, durably. It is checked and run behind. The error is a
// *[wire.Error] where the order is wrong.
func (b *Batches) Create(o Order) (Batch, error) {
	now := b.now()
	input := b.files.find(o.Owner, o.Input, now)
	if input == nil {
		e := missing("file", o.Input)
		e.Status, e.Param = http.StatusBadRequest, "input_file_id"
		return Batch{}, e
	}
	if input.Purpose != PurposeBatch {
		return Batch{}, invalid("input_file_id", "invalid_file_purpose", "The file was uploaded for "+input.Purpose+", and must be for batch.")
	}
	window, err := time.ParseDuration(o.Window)
	if err != nil || window <= 0 {
		return Batch{}, invalid("completion_window", "invalid_completion_window", "The completion_window must be a duration such as 24h.")
	}
	if len(o.Metadata) > maxMetadata {
		return Batch{}, invalid("metadata", "invalid_metadata", fmt.Sprintf("The metadata may have %d entries at most.", maxMetadata))
	}
	for k, v := range o.Metadata {
		if utf8.RuneCountInString(k) > maxKey || utf8.RuneCountInString(v) > maxValue {
			return Batch{}, invalid("metadata", "invalid_metadata", fmt.Sprintf("The metadata may have keys of %d characters and values of %d at most.", maxKey, maxValue))
		}
	}
	h := head{
		ID: newID("batch_"), Owner: o.Owner, Endpoint: o.Endpoint, Input: o.Input, Window: o.Window,
		Metadata: o.Metadata, Header: o.Header, OutputTTL: o.OutputTTL,
		Created: now, Expires: now.Add(min(window, b.config().Expiry)),
	}
	text, err := json.Marshal(h)
	if err != nil {
		return Batch{}, err
	}
	if err := createJournal(b.path(h.ID), text); err != nil {
		b.unwritten(err)
		return Batch{}, err
	}
	w, err := restore(b.path(h.ID))
	if err != nil {
		return Batch{}, err
	}
	b.mu.Lock()
	b.all[h.ID] = w
	out, running := w.view(), b.running
	b.mu.Unlock()
	if !running {
		return out, nil // Run begins with it
	}
	select {
	case b.fresh <- w:
	case <-b.ended: // the next router runs it
	}
	return out, nil
}

// Batch is one of the owner's.
func (b *Batches) Batch(owner, id string) (Batch, *wire.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.all[id]
	if w == nil || w.head.Owner != owner {
		return Batch{}, missing("batch", id)
	}
	return w.view(), nil
}

// List of an owner's batches, the newest first.
func (b *Batches) List(owner, after string, limit int) (Page[Batch], *wire.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var own []*work
	for _, w := range b.all {
		if w.head.Owner == owner {
			own = append(own, w)
		}
	}
	slices.SortFunc(own, func(x, y *work) int {
		return cmp.Or(y.head.Created.Compare(x.head.Created), cmp.Compare(y.head.ID, x.head.ID))
	})
	p, ok := page(own, func(w *work) string { return w.head.ID }, after, limit)
	if !ok {
		return Page[Batch]{}, missing("batch", after)
	}
	out := Page[Batch]{Object: p.Object, FirstID: p.FirstID, LastID: p.LastID, HasMore: p.HasMore, Data: make([]Batch, len(p.Data))}
	for i, w := range p.Data {
		out.Data[i] = w.view()
	}
	return out, nil
}

// Cancel ends one of the owner's batches. Lines under way may finish.
func (b *Batches) Cancel(owner, id string) (Batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.all[id]
	switch {
	case w == nil || w.head.Owner != owner:
		return Batch{}, missing("batch", id)
	case w.status == Cancelling:
		return w.view(), nil
	case w.status != Validating && w.status != InProgress:
		return Batch{}, invalid("batch_id", "batch_not_cancellable", "The batch is "+string(w.status)+": there is nothing to cancel.")
	case w.journal == nil:
		return Batch{}, &wire.Error{Status: http.StatusServiceUnavailable, Type: "server_error", Message: "The router is shutting down."}
	}
	if err := w.record(state{Status: Cancelling, At: b.now()}); err != nil {
		b.unwritten(err)
		return Batch{}, err
	}
	w.tell()
	return w.view(), nil
}

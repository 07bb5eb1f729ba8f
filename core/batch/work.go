package batch

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"os"
	"slices"
	"time"
)

// head is what a batch is, and never changes.
type head struct {
	ID        string            `json:"id"`
	Owner     string            `json:"owner"`
	Endpoint  string            `json:"endpoint"`
	Input     string            `json:"input"`
	Window    string            `json:"window"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Header    http.Header       `json:"header,omitempty"`
	OutputTTL time.Duration     `json:"output_ttl,omitempty"` // in nanoseconds
	Created   time.Time         `json:"created"`
	Expires   time.Time         `json:"expires"`
}

// state is a new status, and what came with it.
type state struct {
	Status Status    `json:"status"`
	At     time.Time `json:"at"`
	// Total lines, with InProgress.
	Total int `json:"total,omitempty"`
	// Mistakes, with Failed.
	Mistakes []Error `json:"mistakes,omitempty"`
	// Ends is the status that follows, with Finalizing, and the files are those
	// that will be made; empty: none.
	Ends       Status `json:"ends,omitempty"`
	OutputFile string `json:"output_file,omitempty"`
	ErrorFile  string `json:"error_file,omitempty"`
	// Counts and Usage, with the last one: the lines themselves are gone then.
	Counts *Counts `json:"counts,omitempty"`
	Usage  *Usage  `json:"usage,omitempty"`
}

// result of a line: where it is in the journal.
type result struct {
	span
	kind kind // 0: there is none yet
}

// work is one batch. Batches.mu guards all but what never changes.
type work struct {
	head head

	status    Status
	states    []state
	total     int
	completed int
	failed    int
	usage     Usage
	plan      state // that of Finalizing, once it is there
	journal   *journal

	input    *os.File
	lines    []span
	results  []result // by line, from 0
	next     int      // the first line that was never begun
	held     heldLines
	inFlight map[int]context.CancelFunc
	stopped  bool // no other line is begun

	changed chan struct{}
}

// restore reads a batch. Of one that has ended the journal is closed.
func restore(path string) (*work, error) {
	w := &work{inFlight: make(map[int]context.CancelFunc), changed: make(chan struct{}, 1), status: Validating}
	lines := false
	j, err := openJournal(path, func(r record, at span) error {
		switch r.kind {
		case kindHead:
			return json.Unmarshal(r.payload, &w.head)
		case kindState:
			var s state
			if err := json.Unmarshal(r.payload, &s); err != nil {
				return err
			}
			w.apply(s)
		case kindGood, kindBad:
			lines = true
			w.take(r, at)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if w.head.ID == "" {
		j.close()
		return nil, errors.New("the journal has no head")
	}
	w.journal = j
	if w.status.Final() {
		if lines {
			err = w.compact(path)
		}
		j.close()
		w.journal = nil
	}
	return w, err
}

// apply takes a state over.
func (w *work) apply(s state) {
	if w.status != Cancelling || s.Status != InProgress { // cancelled while it was checked
		w.status = s.Status
	}
	w.states = append(w.states, s)
	switch {
	case s.Status == InProgress:
		w.total = s.Total
		w.results = make([]result, s.Total)
	case s.Status == Finalizing:
		w.plan = s
	case s.Counts != nil:
		w.completed, w.failed, w.usage = s.Counts.Completed, s.Counts.Failed, *s.Usage
	}
}

// take takes a line's result over. A second one for the same line says nothing.
func (w *work) take(r record, at span) {
	i := r.line - 1
	if i < 0 || i >= len(w.results) || w.results[i].kind != 0 {
		return
	}
	w.results[i] = result{at, r.kind}
	if r.kind == kindGood {
		w.completed++
	} else {
		w.failed++
	}
	w.usage.add(&r.usage)
}

// record makes a new state durable, and takes it over.
func (w *work) record(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := w.journal.add(record{kind: kindState, payload: text}); err != nil {
		return err
	}
	if err := w.journal.sync(); err != nil {
		return err
	}
	w.apply(s)
	return nil
}

func (w *work) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// view is the batch as its owner sees it.
func (w *work) view() Batch {
	h := &w.head
	v := Batch{
		ID: h.ID, Object: "batch", Endpoint: h.Endpoint, InputFileID: h.Input, CompletionWindow: h.Window,
		Status: w.status, CreatedAt: h.Created.Unix(), ExpiresAt: h.Expires.Unix(), Metadata: h.Metadata,
		RequestCounts: Counts{Total: w.total, Completed: w.completed, Failed: w.failed}, Usage: w.usage,
	}
	for _, s := range w.states {
		switch at := unix(s.At); s.Status {
		case InProgress:
			v.InProgressAt = at
		case Finalizing:
			v.FinalizingAt = at
		case Cancelling:
			v.CancellingAt = at
		case Completed:
			v.CompletedAt = at
		case Failed:
			v.FailedAt = at
			v.Errors = &Errors{Object: "list", Data: s.Mistakes}
		case Expired:
			v.ExpiredAt = at
		case Cancelled:
			v.CancelledAt = at
		}
	}
	if w.status.Final() {
		if id := w.plan.OutputFile; id != "" {
			v.OutputFileID = &id
		}
		if id := w.plan.ErrorFile; id != "" {
			v.ErrorFileID = &id
		}
	}
	return v
}

// work takes a batch from where it is to its end.
func (b *Batches) work(ctx context.Context, w *work) {
	err := b.through(ctx, w)
	b.mu.Lock()
	status, completed, failed := w.status, w.completed, w.failed
	if status.Final() {
		w.lines, w.results, w.held = nil, nil, nil
	}
	b.mu.Unlock()
	switch {
	case err == nil:
		b.log.Info("batch ended", "batch", w.head.ID, "status", status, "completed", completed, "failed", failed)
	case ctx.Err() == nil:
		b.log.Error("batch stopped until the next start", "batch", w.head.ID, "err", err)
	}
}

func (b *Batches) through(ctx context.Context, w *work) error {
	input, ok, err := b.admit(ctx, w)
	if input != nil {
		defer input.Close()
	}
	if !ok || err != nil {
		return err
	}
	ends, err := b.see(ctx, w)
	if err != nil {
		return err
	}
	return b.finish(ctx, w, ends)
}

// admit checks the input of a batch and makes it ready to be run. A batch that
// a router before this one has begun is only read again. It is not ok where the
// batch has failed.
func (b *Batches) admit(ctx context.Context, w *work) (_ *os.File, ok bool, _ error) {
	select {
	case b.check <- struct{}{}:
		defer func() { <-b.check }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	b.mu.Lock()
	total := w.total
	b.mu.Unlock()
	most := limits{endpoint: w.head.Endpoint, lines: b.config().MaxLines, line: b.maxLine.Load()}
	if total > 0 { // the limits were those of the start
		most.lines, most.line = total, math.MaxInt64
	}
	var lines []span
	var mistakes []Error
	f, err := os.Open(b.files.path(w.head.Input))
	if err == nil {
		lines, mistakes, err = scan(f, most)
	}
	switch {
	case err != nil:
		b.log.Error("input not read", "batch", w.head.ID, "err", err)
		mistakes = []Error{{Code: "input_unreadable", Message: "The router could not read the input file."}}
	case total > 0 && mistakes == nil && len(lines) != total:
		mistakes = []Error{{Code: "input_changed", Message: "The input file is not what it was when the batch began."}}
	}
	if mistakes != nil {
		return f, false, b.settle(ctx, w, state{Status: Failed, At: b.now(), Mistakes: mistakes})
	}
	if total == 0 {
		if err := b.settle(ctx, w, state{Status: InProgress, At: b.now(), Total: len(lines)}); err != nil {
			return f, false, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	w.input, w.lines = f, lines
	return f, true, nil
}

// see waits until a batch has nothing left to run, and says with which status
// it ends.
func (b *Batches) see(ctx context.Context, w *work) (Status, error) {
	b.mu.Lock()
	if w.status == Finalizing {
		defer b.mu.Unlock()
		return w.plan.Ends, nil
	}
	b.active = append(b.active, w)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.active = slices.DeleteFunc(b.active, func(o *work) bool { return o == w })
		b.mu.Unlock()
	}()
	b.poke()

	expiry := time.NewTimer(w.head.Expires.Sub(b.now()))
	defer expiry.Stop()
	var grace <-chan time.Time
	over := ctx.Done()
	for {
		b.mu.Lock()
		ends := Status("")
		switch {
		case w.status == Cancelling:
			ends = Cancelled
		case w.completed+w.failed == w.total:
			ends = Completed
		case !b.now().Before(w.head.Expires):
			ends = Expired
		}
		w.stopped = ends != "" || ctx.Err() != nil
		under := len(w.inFlight)
		b.mu.Unlock()
		if w.stopped && under == 0 {
			return ends, ctx.Err()
		}
		if ends != "" && grace == nil {
			t := time.NewTimer(b.config().Grace)
			defer t.Stop()
			grace = t.C
		}
		select {
		case <-w.changed:
		case <-expiry.C:
		case <-grace:
			b.mu.Lock()
			for _, cut := range w.inFlight {
				cut()
			}
			b.mu.Unlock()
		case <-over:
			over = nil // the lines under way need the input to their end
		}
	}
}

// settle records a state, and tries again until it can.
func (b *Batches) settle(ctx context.Context, w *work, s state) error {
	return b.insist(ctx, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		return w.record(s)
	})
}

// insist does what has to be written, and does it again until it is, as a full
// disk may have room later.
func (b *Batches) insist(ctx context.Context, do func() error) error {
	for wait := b.config().Backoff; ; wait = min(2*wait, b.config().MaxBackoff) {
		err := do()
		if err == nil {
			return nil
		}
		b.unwritten(err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

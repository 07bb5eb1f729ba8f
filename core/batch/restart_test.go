package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestRestartsRecordEachLineOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 300
	r := &runner{answer: func(_ context.Context, id string, _ int) Answer { return good(id) }}
	b := openAt(t, dir)
	id := create(t, b, "ann", upload(t, b, "ann", requests(n)).ID).ID
	for round := range 4 {
		stop := start(t, b, r)
		until(t, b, "ann", id, "further", func(x Batch) bool {
			return x.RequestCounts.Completed > round*50 || x.Status.Final()
		})
		stop()
		// As a kill leaves it: the journal ends anywhere.
		path := b.path(id)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(`"completed"`)) {
			if err := os.WriteFile(path, text[:len(text)-1], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b = openAt(t, dir)
	}
	start(t, b, r)
	got := until(t, b, "ann", id, "ended", ended)
	seen := map[string]bool{}
	for _, l := range content(t, b, "ann", got.OutputFileID) {
		if seen[l.CustomID] {
			t.Errorf("%s is there twice", l.CustomID)
		}
		seen[l.CustomID] = true
	}
	if got.Status != Completed || got.RequestCounts != (Counts{n, n, 0}) || len(seen) != n {
		t.Errorf("%+v, %d results", got, len(seen))
	}
	// Only the four lines whose record was torn were run again.
	if runs := r.total(); runs > n+4 {
		t.Errorf("%d runs of %d lines", runs, n)
	}
}

func TestKilledWhileFinalizingMakesTheSameFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openAt(t, dir)
	stop := start(t, b, &runner{answer: always})
	id := create(t, b, "ann", upload(t, b, "ann", requests(5)).ID).ID
	first := until(t, b, "ann", id, "ended", ended)
	stop()
	// The journal as it was before its last record, with the lines in it.
	b = openAt(t, dir)
	w := b.all[id]
	j := (&record{kind: kindHead, payload: mustJSON(w.head)}).append(nil)
	for _, s := range w.states[:len(w.states)-1] {
		if s.Status == Finalizing {
			for i := range 5 {
				j = (&record{kind: kindGood, line: i + 1, payload: fmt.Appendf(nil, `{"custom_id":"c%d"}`, i)}).append(j)
			}
		}
		j = (&record{kind: kindState, payload: mustJSON(s)}).append(j)
	}
	if err := os.WriteFile(b.path(id), j, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &runner{answer: always}
	b = openAt(t, dir)
	start(t, b, r)
	got := until(t, b, "ann", id, "ended", ended)
	if got.Status != Completed || *got.OutputFileID != *first.OutputFileID || r.total() != 0 {
		t.Errorf("%+v, %d runs", got, r.total())
	}
	if out := content(t, b, "ann", got.OutputFileID); len(out) != 5 || out[4].CustomID != "c4" {
		t.Errorf("%+v", out)
	}
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func TestDrainCutsLinesAndTheNextRouterRunsThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openAt(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	go b.Run(ctx, &runner{answer: hold(nil)})
	id := create(t, b, "ann", upload(t, b, "ann", requests(3)).ID).ID
	for b.Stats().InFlight != 3 {
		time.Sleep(time.Millisecond)
	}
	stop()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	b.Drain(over)
	b = openAt(t, dir)
	start(t, b, &runner{answer: always})
	if got := until(t, b, "ann", id, "ended", ended); got.RequestCounts != (Counts{3, 3, 0}) {
		t.Errorf("%+v", got)
	}
}

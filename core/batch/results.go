package batch

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// finish makes the files of a batch and gives it its last status. A router that
// was killed in the middle leaves it to the next, which makes them again.
func (b *Batches) finish(ctx context.Context, w *work, ends Status) error {
	b.mu.Lock()
	plan := state{Status: Finalizing, At: b.now(), Ends: ends}
	if w.completed > 0 {
		plan.OutputFile = newID("file-")
	}
	if w.completed < w.total {
		plan.ErrorFile = newID("file-")
	}
	if w.status == Finalizing {
		plan = w.plan
	}
	planned := w.status == Finalizing
	b.mu.Unlock()
	if !planned {
		if err := b.settle(ctx, w, plan); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		id, name string
		write    func(io.Writer) error
	}{
		{plan.OutputFile, "_output.jsonl", func(out io.Writer) error { return w.write(out, kindGood, ends) }},
		{plan.ErrorFile, "_error.jsonl", func(out io.Writer) error { return w.write(out, kindBad, ends) }},
	} {
		if f.id == "" {
			continue
		}
		ttl := w.head.OutputTTL
		if ttl == 0 {
			ttl = b.config().Keep
		}
		now := b.now()
		err := b.insist(ctx, func() error {
			return b.files.keep(&stored{Owner: w.head.Owner, Created: now, File: File{
				ID: f.id, CreatedAt: now.Unix(), ExpiresAt: now.Add(ttl).Unix(), Filename: w.head.ID + f.name, Purpose: PurposeOutput,
			}}, f.write)
		})
		if err != nil {
			return err
		}
	}
	b.mu.Lock()
	usage := w.usage
	counts := Counts{Total: w.total, Completed: w.completed, Failed: w.total - w.completed}
	b.mu.Unlock()
	if err := b.settle(ctx, w, state{Status: ends, At: b.now(), Counts: &counts, Usage: &usage}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j := w.journal
	w.journal = nil
	j.close()
	// The files are made: should this fail, the journal is only longer than it
	// has to be until the next start.
	b.unwritten(w.compact(j.path))
	return nil
}

// write writes the lines of one kind in the order of the input. Lines that
// never came to a result are failed ones.
func (w *work) write(out io.Writer, k kind, ends Status) error {
	dst := bufio.NewWriterSize(out, 256<<10)
	for i, r := range w.results {
		var text []byte
		var err error
		switch {
		case r.kind == k:
			text, err = w.journal.payload(r.span)
		case r.kind == 0 && k == kindBad:
			text, err = w.undone(i, ends)
		default:
			continue
		}
		if err != nil {
			return err
		}
		if _, err := dst.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return dst.Flush()
}

// Codes and words are OpenAI's: https://developers.openai.com/api/docs/guides/batch
// (batch expiration), and BatchRequestOutput of its specification.
func (w *work) undone(i int, ends Status) ([]byte, error) {
	l, err := readAt(w.input, w.lines[i])
	if err != nil {
		return nil, err
	}
	dst := append([]byte(nil), `{"id":`...)
	dst = rawjson.AppendQuote(dst, newID("batch_req_"))
	dst = append(dst, `,"custom_id":`...)
	dst = rawjson.AppendQuote(dst, l.CustomID)
	if ends == Cancelled {
		return append(dst, `,"response":null,"error":{"code":"batch_cancelled","message":"This request was not executed, as the batch was cancelled before."}}`...), nil
	}
	return append(dst, `,"response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}}`...), nil
}

// compact drops the lines of a batch that has ended.
func (w *work) compact(path string) error {
	return replace(path, func(out io.Writer) error {
		text, err := json.Marshal(w.head)
		if err != nil {
			return err
		}
		buf := (&record{kind: kindHead, payload: text}).append(nil)
		for _, s := range w.states {
			if text, err = json.Marshal(s); err != nil {
				return err
			}
			buf = (&record{kind: kindState, payload: text}).append(buf)
		}
		_, err = out.Write(buf)
		return err
	})
}

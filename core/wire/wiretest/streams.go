package wiretest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// now is the time that is told where a provider tells none.
const now = 1700000000

// Read makes the hub's events of a provider's stream that comes in pieces of at
// most so many bytes.
func Read(f *hub.Format, stream []byte, piece int) ([]byte, error) {
	return read(f, func(yield func([]byte) bool) {
		for len(stream) > 0 {
			n := min(piece, len(stream))
			if !yield(stream[:n]) {
				return
			}
			stream = stream[n:]
		}
	})
}

func read(f *hub.Format, pieces func(func([]byte) bool)) ([]byte, error) {
	cut := hub.Splitter(&sse.Splitter{})
	if f.Out.Split != nil {
		cut = f.Out.Split()
	}
	reader := f.Out.Reader(nil)
	events := hub.Events{Now: now}
	var out []byte
	take := func(e *sse.Event) error {
		// The core gives readers whole JSON values alone.
		if data := bytes.TrimSpace(e.Data); len(data) == 0 || !rawjson.Valid(data) && !bytes.HasPrefix(data, []byte("[DONE]")) {
			return nil
		}
		events.Reset()
		err := reader.Event(&events, e)
		for h := (sse.Event{}); events.Next(&h); {
			out = append(out, h.Raw...)
		}
		return err
	}
	var e sse.Event
	for p := range pieces {
		cut.Feed(p)
		for cut.Next(&e) {
			if err := take(&e); err != nil {
				return out, err
			}
		}
		if err := cut.Err(); err != nil {
			return out, err
		}
	}
	if cut.Flush(&e) {
		return out, take(&e)
	}
	return out, nil
}

// Framing makes a stream's bytes of what a golden file has of it, for a format
// whose framing is no text; nil: they are the same.
var Framing func(text []byte) []byte

func framed(text []byte) []byte {
	if Framing == nil {
		return text
	}
	return Framing(text)
}

// Write makes a client's stream of the hub's events.
func Write(t testing.TB, f *hub.Format, events []byte) []byte {
	t.Helper()
	w := f.In.Writer(&wire.Request{Stream: true})
	var split sse.Splitter
	var e sse.Event
	var out []byte
	split.Feed(events)
	var err error
	for split.Next(&e) {
		if out, err = w.Event(out, &e); err != nil {
			t.Fatal(err)
		}
	}
	if split.Flush(&e) && e.Data != nil {
		t.Errorf("a part of an event is left: %q", e.Raw)
	}
	return out
}

// Cut holds a format's reader to what it makes of the streams in
// testdata/stream, wherever they are cut in two.
func Cut(t *testing.T, f *hub.Format) {
	for _, in := range streams(t) {
		want, err := Read(f, in, len(in))
		if err != nil {
			t.Fatal(err)
		}
		for at := range in {
			got, err := read(f, func(yield func([]byte) bool) { _ = yield(bytes.Clone(in[:at])) && yield(bytes.Clone(in[at:])) })
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: %v, got\n%s\nwant\n%s", at, err, got, want)
			}
		}
	}
}

func streams(t testing.TB) (all [][]byte) {
	files, err := filepath.Glob("testdata/stream/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no streams", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in, _, _ := bytes.Cut(text, []byte(line))
		all = append(all, framed(append(in, "\n\n"...)))
	}
	return all
}

// Fuzz feeds any bytes to a format's reader, and what it makes of them to its
// writer: no panic, no hang, and only well-formed events.
func Fuzz(f *testing.F, format *hub.Format) {
	for _, in := range streams(f) {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := Read(format, in, len(in))
		if err != nil {
			return
		}
		again, _ := Read(format, in, 3)
		if !bytes.Equal(out, again) {
			t.Fatalf("in pieces it is\n%s\nand whole\n%s", again, out)
		}
		wellFormed(t, out)
		if format.In != nil {
			wellFormed(t, Write(t, format, out))
		}
	})
}

func wellFormed(t *testing.T, stream []byte) {
	t.Helper()
	var split sse.Splitter
	var e sse.Event
	split.Feed(stream)
	for split.Next(&e) {
		if e.Data != nil && !rawjson.Valid(e.Data) && string(e.Data) != "[DONE]" {
			t.Fatalf("no JSON: %q", e.Data)
		}
	}
}

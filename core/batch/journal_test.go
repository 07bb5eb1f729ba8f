package batch

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// written is a journal with a head and lines 1 to n.
func written(t testing.TB, n int) (path string, text []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "b"+journalExt)
	if err := createJournal(path, []byte(`{"id":"b"}`)); err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(path, func(record, span) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for i := range n {
		r := record{kind: kindGood, line: i + 1, usage: wire.Usage{Input: int64(i), Output: 2, Cached: 3, Reasoning: 4}, payload: []byte(`{"n":"a line"}`)}
		at, err := j.add(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := j.payload(at); err != nil || !bytes.Equal(got, r.payload) {
			t.Fatalf("line %d reads %q, %v", i+1, got, err)
		}
	}
	text, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, text
}

// linesIn opens a journal and tells its lines.
func linesIn(t testing.TB, path string) (lines []int) {
	t.Helper()
	j, err := openJournal(path, func(r record, _ span) error {
		if r.kind == kindGood {
			lines = append(lines, r.line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j.close()
	return lines
}

func TestJournalTornAnywhereKeepsWhatWasWhole(t *testing.T) {
	t.Parallel()
	path, text := written(t, 3)
	head := bytes.IndexByte(text, '\n') + 1
	for cut := range text {
		if err := os.WriteFile(path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := max(0, bytes.Count(text[:cut], []byte("\n"))-1)
		if got := linesIn(t, path); len(got) != want {
			t.Fatalf("cut at %d of %d: lines %v, want %d", cut, len(text), got, want)
		}
		if cut < head {
			continue
		}
		// What is added behind the cut is read again.
		j, err := openJournal(path, func(record, span) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.add(record{kind: kindGood, line: 9, payload: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
		j.close()
		if got := linesIn(t, path); len(got) != want+1 || got[want] != 9 {
			t.Fatalf("cut at %d, then added: lines %v", cut, got)
		}
	}
}

func TestJournalTurnedBitEndsIt(t *testing.T) {
	t.Parallel()
	path, text := written(t, 3)
	for at := range text {
		broken := slices.Clone(text)
		broken[at] ^= 1
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		before := max(0, bytes.Count(text[:at], []byte("\n"))-1)
		if got := linesIn(t, path); len(got) != before {
			t.Fatalf("bit at %d: lines %v, want %d", at, got, before)
		}
	}
}

func FuzzJournal(f *testing.F) {
	_, text := written(f, 2)
	f.Add(text)
	f.Add(text[:len(text)-3])
	f.Add([]byte("00000000 g 1 0,0,0,0 {}\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "b"+journalExt)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var all []byte
		j, err := openJournal(path, func(r record, _ span) error {
			all = r.append(all)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		j.close()
		// What was read is the file now, and reads the same again.
		got, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, got) {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		if len(all) != len(got) {
			t.Fatalf("%q was read as %q", got, all)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("00000000 g 1 0,0,0,0 {}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parse(text)
		if err != nil {
			return
		}
		again, err := parse(bytes.TrimSuffix(r.append(nil), []byte("\n")))
		if err != nil || again.kind != r.kind || again.line != r.line || again.usage != r.usage || !bytes.Equal(again.payload, r.payload) {
			t.Fatalf("%q is %+v, then %+v, %v", text, r, again, err)
		}
	})
}

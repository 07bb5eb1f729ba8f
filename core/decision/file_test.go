package decision_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
)

// records is a desk whose decisions go to a file.
type records struct {
	t    *testing.T
	desk *decision.Desk
	file *decision.File
	n    int
}

func newRecords(t *testing.T, cfg config.Record) *records {
	r := &records{t: t, desk: decision.NewDesk(), file: decision.NewFile(hclog.NewNullLogger())}
	t.Cleanup(r.close)
	r.apply(cfg)
	return r
}

func (r *records) apply(cfg config.Record) {
	r.t.Helper()
	if err := r.file.Apply(cfg); err != nil {
		r.t.Fatal(err)
	}
	r.desk.Follow(r.file.Follower(cfg))
}

func (r *records) close() {
	r.desk.Close(r.t.Context())
	r.file.Close(r.t.Context())
}

// put leaves n decisions and waits until something has become of each.
func (r *records) put(n int) {
	r.t.Helper()
	for range n {
		r.n++
		id := fmt.Sprintf("d-%d", r.n)
		r.desk.Leave(id, &drafted{Version: decision.Version, ID: id})
		for r.settled() < r.n {
			if time.Now().After(r.deadline()) {
				r.t.Fatalf("%d of %d decisions came to an end", r.settled(), r.n)
			}
			time.Sleep(time.Millisecond) // between two looks
		}
	}
}

func (r *records) deadline() time.Time {
	if d, ok := r.t.Deadline(); ok {
		return d.Add(-time.Second)
	}
	return time.Now().Add(time.Minute)
}

func (r *records) settled() int {
	written, dropped, failed := r.file.Counts()
	return int(written + dropped + failed)
}

// read is the ids in a file, and what is wrong with its other lines.
func read(t *testing.T, path string) (ids, bad []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := decision.NewReader(f)
	for {
		d, err := in.Next()
		switch {
		case err == io.EOF:
			return ids, bad
		case err != nil:
			bad = append(bad, err.Error())
		default:
			ids = append(ids, d.ID)
		}
	}
}

func inFile(t *testing.T) config.Record {
	return config.Record{File: filepath.Join(t.TempDir(), "decisions.jsonl"), Sample: 1, MaxSize: 1 << 20, Keep: 2, Queue: 100}
}

// lineSize is about that of the decisions here.
const lineSize = 160

func TestLongFilesArePutAside(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.MaxSize = 4 * lineSize
	r := newRecords(t, cfg)
	r.put(20)
	kept := 0
	for _, name := range []string{cfg.File, cfg.File + ".1", cfg.File + ".2"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > cfg.MaxSize || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and the mode %s; at most %d, and for nobody else to read", filepath.Base(name), info.Size(), info.Mode(), cfg.MaxSize)
		}
		ids, bad := read(t, name)
		kept += len(ids)
		if len(bad) > 0 || len(ids) == 0 {
			t.Errorf("%s: %d records, and %q", filepath.Base(name), len(ids), bad)
		}
	}
	if _, err := os.Stat(cfg.File + ".3"); err == nil {
		t.Error("three files were kept, not two")
	}
	if newest, _ := read(t, cfg.File); newest[len(newest)-1] != "d-20" {
		t.Errorf("the newest record is %s", newest[len(newest)-1])
	}
	if kept < 8 {
		t.Errorf("only %d records are left", kept)
	}
}

// A file that can't be put aside grows, and none of those before is lost for it.
func TestAFileThatCanNotBePutAsideGoesOn(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.MaxSize = 4 * lineSize
	if err := os.MkdirAll(filepath.Join(cfg.File+".2", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	newRecords(t, cfg).put(20)
	older, _ := read(t, cfg.File+".1")
	newer, _ := read(t, cfg.File)
	if all := append(older, newer...); len(all) != 20 || all[0] != "d-1" || all[19] != "d-20" {
		t.Errorf("of 20 records there are %q", all)
	}
}

func TestNoFileIsKept(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.MaxSize, cfg.Keep = 2*lineSize, 0
	newRecords(t, cfg).put(10)
	if names, _ := filepath.Glob(cfg.File + "*"); len(names) != 1 {
		t.Errorf("files %q", names)
	}
}

func TestARecordLongerThanTheFileMayBeIsWritten(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.MaxSize = 1
	newRecords(t, cfg).put(3)
	for _, name := range []string{cfg.File, cfg.File + ".1", cfg.File + ".2"} {
		if ids, bad := read(t, name); len(ids) != 1 || len(bad) > 0 {
			t.Errorf("%s has %q and %q", name, ids, bad)
		}
	}
}

func TestALineThatACrashHasCutIsTheOnlyOneLost(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	if err := os.WriteFile(cfg.File, []byte(`{"v":1,"id":"d-a"}`+"\n"+`{"v":1,"id":"d-b`), 0o600); err != nil {
		t.Fatal(err)
	}
	newRecords(t, cfg).put(1)
	ids, bad := read(t, cfg.File)
	if len(ids) != 2 || ids[0] != "d-a" || ids[1] != "d-1" || len(bad) != 1 || !strings.HasPrefix(bad[0], "line 2: is cut or broken") {
		t.Errorf("records %q, and %q", ids, bad)
	}
}

// As by logrotate, and by a hand that removes what it finds.
func TestAFileThatWasMovedAwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	r := newRecords(t, cfg)
	r.put(1)
	if err := os.Rename(cfg.File, cfg.File+".moved"); err != nil {
		t.Fatal(err)
	}
	for {
		r.put(1)
		if _, err := os.Stat(cfg.File); err == nil {
			break
		}
	}
	before, _ := read(t, cfg.File+".moved")
	after, _ := read(t, cfg.File)
	if len(before)+len(after) != r.n {
		t.Errorf("%d records and %d, want %d in all", len(before), len(after), r.n)
	}
}

func TestOtherSettings(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	r := newRecords(t, cfg)
	r.put(1)
	other := cfg
	other.File += ".other"
	r.apply(other)
	r.put(1)
	broken := cfg
	broken.File = filepath.Join(cfg.File, "is no folder")
	if err := r.file.Apply(broken); err == nil {
		t.Error("a file that can't be opened is taken")
	}
	r.put(1)
	r.apply(config.Record{})
	first, _ := read(t, cfg.File)
	second, _ := read(t, other.File)
	if len(first) != 1 || len(second) != 2 {
		t.Errorf("records %q and %q, want one and two", first, second)
	}
}

// A device that is full takes nothing, and can't be cut short either.
func TestAFullDeviceCostsRecordsAndNothingElse(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.File = "/dev/full"
	r := newRecords(t, cfg)
	r.put(10)
	if _, _, failed := r.file.Counts(); failed != 10 {
		t.Errorf("%d of 10 lost records are counted", failed)
	}
}

func TestAFullDiskKeepsWholeLines(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	cfg := inFile(t)
	cfg.File = filepath.Join(dir, "decisions.jsonl")
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("x"), 48<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRecords(t, cfg)
	for failed := uint64(0); failed < 3; _, _, failed = r.file.Counts() {
		r.put(1)
	}
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	r.put(5)
	written, _, failed := r.file.Counts()
	ids, bad := read(t, cfg.File)
	if len(bad) > 0 || len(ids) != int(written) || ids[len(ids)-1] != fmt.Sprintf("d-%d", r.n) {
		t.Errorf("%d records and %q in the file, %d written and %d failed, the last is %s", len(ids), bad, written, failed, ids[len(ids)-1])
	}
}

// A pipe that nobody reads stands for a disk that hangs.
func TestADiskThatHangsFillsTheQueueAndNothingElse(t *testing.T) {
	t.Parallel()
	cfg := inFile(t)
	cfg.Queue = 10
	if err := syscall.Mkfifo(cfg.File, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRecords(t, cfg)
	pipe, err := os.OpenFile(cfg.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	dropped := uint64(0)
	for n := 0; dropped == 0; _, dropped, _ = r.file.Counts() {
		n++
		id := fmt.Sprintf("d-%d", n)
		r.desk.Leave(id, &drafted{Version: decision.Version, ID: id})
	}
	go io.Copy(io.Discard, pipe) // so that the close comes to its end
	r.close()
	pipe.Close()
}

func TestBadLinesAreNamed(t *testing.T) {
	t.Parallel()
	in := decision.NewReader(strings.NewReader(strings.Join([]string{
		`{"v":1,"id":"d-1","from":"the future"}`,
		`{"v":1,"id":"d-2"`,
		``,
		`{"v":2,"id":"d-3"}`,
		`{"id":"d-4"}`,
		`[1]`,
		`{"v":1,"id":5}`,
		`{"v":1,"id":"` + strings.Repeat("x", 17<<20) + `"}`,
		`{"v":1,"id":"d-9"}`,
	}, "\n")))
	var got []string
	for {
		d, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, d.ID)
		}
	}
	want := []string{
		"d-1",
		"line 2: is cut or broken: unexpected end of JSON input",
		"line 4: has the version 2, and this program reads 1",
		`line 5: is no record: it has no version, "v"`,
		"line 6: is no record: json: cannot unmarshal array into Go value of type struct { Version *int \"json:\\\"v\\\"\" }",
		"line 7: is no record: json: cannot unmarshal number into Go struct field Decision.id of type string",
		"line 8: is longer than 16 MiB",
		"d-9",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Whatever is in a file, reading comes to an end and every line is counted.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"d-1","facts":{"prefix":"ff"},"outcome":{"ttft_ms":1.5,"duration_ms":2}}` + "\n"))
	f.Add([]byte("{\"v\":1}\n{\n\n[]"))
	f.Add([]byte(`{"v":1,"choice":{"tiers":[{"picks":null}]},"candidates":[{}],"outcome":{"tokens":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := decision.NewReader(bytes.NewReader(b))
		for n := 0; ; n++ {
			_, err := in.Next()
			if err == io.EOF {
				break
			}
			if n > bytes.Count(b, []byte("\n")) {
				t.Fatalf("more records than lines in %q", b)
			}
		}
		if last := bytes.TrimSuffix(b, []byte("\n")); len(b) > 0 && in.Line() != bytes.Count(last, []byte("\n"))+1 {
			t.Fatalf("%d lines were read of %q", in.Line(), b)
		}
	})
}

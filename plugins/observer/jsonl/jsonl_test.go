package jsonl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// open starts a log in a folder.
func open(t *testing.T, dir string, change func(*log)) *log {
	t.Helper()
	l := New().Observer.(*log)
	if change != nil {
		change(l)
	}
	if err := l.Start(context.Background(), sdk.Setup{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func tell(t *testing.T, l *log, records ...string) {
	t.Helper()
	var batch []sdk.Outcome
	for _, r := range records {
		batch = append(batch, sdk.Outcome{Record: []byte(r)})
	}
	if err := l.Observe(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLongFilesArePutAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, func(l *log) { l.MaxSize, l.Keep = 1024, 2 })
	for i := range 8 {
		tell(t, l, fmt.Sprint(i, strings.Repeat("x", 600)))
	}
	path := filepath.Join(dir, "requests.jsonl")
	for name, first := range map[string]string{path: "7", path + ".1": "6", path + ".2": "5"} {
		if got := content(t, name); !strings.HasPrefix(got, first) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s has %.5s...", name, got)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more than two are kept")
	}
}

func TestNoneIsPutAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, func(l *log) { l.MaxSize, l.Keep = 1024, 0 })
	for range 3 {
		tell(t, l, strings.Repeat("x", 600))
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("files %q", files)
	}
}

// A file that can't be put aside grows.
func TestFileThatCanNotBePutAsideGoesOn(t *testing.T) {
	t.Parallel()
	for _, keep := range []int{1, 2} {
		dir := t.TempDir()
		path := filepath.Join(dir, "requests.jsonl")
		if err := os.MkdirAll(filepath.Join(path+"."+fmt.Sprint(keep), "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, func(l *log) { l.MaxSize, l.Keep = 1024, keep })
		want := ""
		for i := range 5 {
			record := fmt.Sprint(i, strings.Repeat("x", 600))
			tell(t, l, record)
			want += record + "\n"
		}
		var got string
		for i := keep - 1; i > 0; i-- {
			got += content(t, path+"."+fmt.Sprint(i))
		}
		if got += content(t, path); got != want {
			t.Errorf("of %d bytes there are %d, where %d files are kept", len(want), len(got), keep)
		}
	}
}

func TestLineThatACrashHasCutIsEnded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	if err := os.WriteFile(path, []byte("{\"id\":1}\n{\"id\""), 0o600); err != nil {
		t.Fatal(err)
	}
	tell(t, open(t, "", func(l *log) { l.File = path }), `{"id":2}`)
	if got := content(t, path); got != "{\"id\":1}\n{\"id\"\n{\"id\":2}\n" {
		t.Errorf("got %q", got)
	}
}

func TestFileThatWasMovedAwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, path := open(t, dir, nil), filepath.Join(dir, "requests.jsonl")
	tell(t, l, "a")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	tell(t, l, "b")
	if got := content(t, path); got != "b\n" {
		t.Errorf("got %q", got)
	}
}

// A full disk: what is not there whole is not there, and it goes on afterwards.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := New().Observer.(*log)
	l.File = "/dev/full"
	if err := l.Start(context.Background(), sdk.Setup{}); err != nil {
		t.Skip(err)
	}
	err := l.Observe(context.Background(), []sdk.Outcome{{Record: []byte("{}")}})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("got %v", err)
	}
}

// With sync = "0s" a batch that was taken is on the disk; else it is so in time.
func TestSync(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), func(l *log) { l.Sync = 0 })
	tell(t, l, "a")
	if l.timer != nil {
		t.Error("a batch waits for the disk")
	}
	l = open(t, t.TempDir(), func(l *log) { l.Sync = 20 * time.Millisecond })
	tell(t, l, "a")
	tell(t, l, "b")
	for limit := time.Now().Add(time.Minute); ; {
		l.mu.Lock()
		done := l.timer == nil
		l.mu.Unlock()
		if done {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("it is never on the disk")
		}
		<-time.After(time.Millisecond)
	}
}

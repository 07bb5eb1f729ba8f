package batch

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

func TestOthersAndUnknownAreMissing(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	start(t, b, &runner{answer: always})
	f := upload(t, b, "ann", requests(1))
	id := create(t, b, "ann", f.ID).ID
	for _, owner := range []string{"bob", ""} {
		_, notFile := b.File(owner, f.ID)
		_, notBatch := b.Batch(owner, id)
		_, _, notContent := b.Content(owner, f.ID)
		_, notCancel := b.Cancel(owner, id)
		_, notCreated := b.Create(Order{Owner: owner, Endpoint: chat, Input: f.ID, Window: "24h"})
		for what, err := range map[string]error{
			"file": notFile, "batch": notBatch, "content": notContent, "cancel": notCancel, "delete": b.DeleteFile(owner, f.ID),
		} {
			var werr *wire.Error
			if !errors.As(err, &werr) || werr.Status != http.StatusNotFound {
				t.Errorf("%s of another caller: %v", what, err)
			}
		}
		var werr *wire.Error
		if !errors.As(notCreated, &werr) || werr.Status != http.StatusBadRequest || werr.Param != "input_file_id" {
			t.Errorf("a batch of another's file: %v", notCreated)
		}
		if p, _ := b.Files(owner, "", "", 10, false); len(p.Data) != 0 {
			t.Errorf("%q lists %+v", owner, p)
		}
		if p, _ := b.List(owner, "", 10); len(p.Data) != 0 {
			t.Errorf("%q lists %+v", owner, p)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	var ids []string
	for range 5 {
		ids = append(ids, upload(t, b, "ann", "x").ID)
	}
	p, err := b.Files("ann", "", "", 2, false)
	if err != nil || len(p.Data) != 2 || p.Data[0].ID != ids[4] || p.LastID != ids[3] || p.FirstID != ids[4] || !p.HasMore {
		t.Errorf("%+v %v", p, err)
	}
	p, err = b.Files("ann", PurposeBatch, ids[1], 2, false)
	if err != nil || len(p.Data) != 1 || p.Data[0].ID != ids[0] || p.HasMore {
		t.Errorf("%+v %v", p, err)
	}
	if p, err = b.Files("ann", "", "", 9, true); err != nil || p.FirstID != ids[0] {
		t.Errorf("%+v %v", p, err)
	}
	if p, err = b.Files("ann", PurposeOutput, "", 9, true); err != nil || len(p.Data) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err = b.Files("ann", "", "file-none", 9, true); err == nil {
		t.Error("a page after nothing")
	}
}

func TestFilesInUseStayAndOldOnesGo(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	dir := t.TempDir()
	b := openAt(t, dir, func(o *Options) { o.Now = clock; o.Config.Expiry = 1000 * time.Hour })
	open := make(chan struct{})
	stop := start(t, b, &runner{answer: hold(open)})
	used, idle := upload(t, b, "ann", requests(1)), upload(t, b, "ann", requests(1))
	made, err := b.Create(Order{Owner: "ann", Endpoint: chat, Input: used.ID, Window: "1000h"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteFile("ann", used.ID); err == nil {
		t.Error("a file in use was deleted")
	}
	mu.Lock()
	now = now.Add(limitsOfTests().Keep + time.Hour)
	mu.Unlock()
	b.Sweep()
	if _, err := os.Stat(b.files.path(idle.ID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old file is there: %v", err)
	}
	if _, err := os.Stat(b.files.path(used.ID)); err != nil {
		t.Errorf("a file in use is gone: %v", err)
	}
	close(open)
	until(t, b, "ann", made.ID, "ended", ended)
	mu.Lock()
	now = now.Add(limitsOfTests().Keep + time.Hour)
	mu.Unlock()
	b.Sweep()
	if _, err := b.Batch("ann", made.ID); err == nil {
		t.Error("an old batch is there")
	}
	stop()
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) != 0 || b.Stats().FileBytes != 0 {
		t.Errorf("left: %v, %+v, %v", left, b.Stats(), err)
	}
}

func TestUploadLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openAt(t, dir, func(o *Options) { o.Config.MaxFile, o.Config.MaxStored = 10, 25 })
	for _, test := range []struct {
		name string
		size int
		code string
	}{
		{"fits", 10, ""}, {"too long", 11, "file_too_large"}, {"fits too", 10, ""}, {"no room", 6, "storage_limit_exceeded"}, {"last", 5, ""},
	} {
		u, err := b.NewUpload()
		if err != nil {
			t.Fatal(err)
		}
		err = u.Read(io.LimitReader(zeros{}, int64(test.size)))
		var werr *wire.Error
		switch {
		case test.code == "" && err == nil:
			if _, err := u.Keep("ann", "f", 0); err != nil {
				t.Fatal(err)
			}
		case !errors.As(err, &werr) || werr.Code != test.code:
			t.Errorf("%s: %v", test.name, err)
		}
		u.Discard()
	}
	left, err := os.ReadDir(filepath.Join(dir, "files"))
	if err != nil || len(left) != 2*3 {
		t.Errorf("%d files, %v", len(left), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestDamagedIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openAt(t, dir)
	keep, lose := upload(t, b, "ann", "keep"), upload(t, b, "ann", "lose")
	made := create(t, b, "ann", keep.ID)
	b.Close()
	for path, text := range map[string]string{
		b.files.path(lose.ID) + ".json": "{", b.files.path("file-alone"): "no metadata",
		b.files.path(tempPrefix + "x"): "half", b.path("batch_x"): "garbage\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		b = openAt(t, dir)
		if _, err := b.File("ann", keep.ID); err != nil {
			t.Error(err)
		}
		if _, err := b.File("ann", lose.ID); err == nil {
			t.Error("damaged, and there")
		}
		if p, err := b.List("ann", "", 9); err != nil || len(p.Data) != 1 || p.Data[0].ID != made.ID {
			t.Errorf("%+v %v", p, err)
		}
		b.Close()
	}
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(names) != 2+2+1+1 { // a file, a damaged one, a batch, a damaged one
		t.Errorf("%v %v", names, err)
	}
}

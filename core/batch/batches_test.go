package batch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

const chat = "/v1/chat/completions"

// runner answers lines by a function, and counts how often each was run.
type runner struct {
	answer func(ctx context.Context, id string, n int) Answer

	mu   sync.Mutex
	runs map[string]int
	most int // at the same time
	now  int
}

func (r *runner) Run(ctx context.Context, q Request) Answer {
	var body struct{ ID string }
	if json.Unmarshal(q.Body, &body) != nil {
		return Answer{Status: 400}
	}
	r.mu.Lock()
	if r.runs == nil {
		r.runs = make(map[string]int)
	}
	r.runs[body.ID]++
	n := r.runs[body.ID]
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	return r.answer(ctx, body.ID, n)
}

func (r *runner) total() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.runs {
		n += k
	}
	return n
}

func good(id string) Answer {
	return Answer{Status: 200, RequestID: "r-" + id, ContentType: "application/json", Body: []byte("{\n \"echo\": \"" + id + "\"\n}"),
		Usage: wire.Usage{Input: 2, Output: 3, Cached: 1}}
}

func always(context.Context, string, int) Answer { return good("any") }

func limitsOfTests() config.Batch {
	c := config.Defaults.Batch
	c.Backoff, c.MaxBackoff = time.Millisecond, 4*time.Millisecond
	c.MaxFile, c.MaxStored = 1<<20, 4<<20
	return c
}

func openAt(t *testing.T, dir string, change ...func(*Options)) *Batches {
	t.Helper()
	o := Options{Dir: dir, Config: limitsOfTests(), MaxLine: 1 << 10, Log: hclog.NewNullLogger()}
	for _, c := range change {
		c(&o)
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// start runs until the returned function is called.
func start(t *testing.T, b *Batches, r Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go b.Run(ctx, r)
	stop = sync.OnceFunc(func() {
		cancel()
		drain, over := context.WithTimeout(context.Background(), time.Minute)
		defer over()
		b.Drain(drain)
	})
	t.Cleanup(stop)
	return stop
}

func upload(t *testing.T, b *Batches, owner, text string) File {
	t.Helper()
	u, err := b.NewUpload()
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	f, err := u.Keep(owner, "in.jsonl", 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func requests(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"custom_id":"c%d","method":"POST","url":%q,"body":{"id":"c%d"}}`+"\n", i, chat, i)
	}
	return b.String()
}

func create(t *testing.T, b *Batches, owner, file string) Batch {
	t.Helper()
	made, err := b.Create(Order{Owner: owner, Endpoint: chat, Input: file, Window: "24h"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// until polls a batch until it is as asked.
func until(t *testing.T, b *Batches, owner, id, what string, ok func(Batch) bool) Batch {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		got, err := b.Batch(owner, id)
		if err != nil {
			t.Fatal(err)
		}
		if ok(got) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s: %+v", what, got)
		}
	}
}

func ended(b Batch) bool { return b.Status.Final() }

// outLine is a line of an output or an error file.
type outLine struct {
	ID       string
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int             `json:"status_code"`
		RequestID  string          `json:"request_id"`
		Body       json.RawMessage `json:"body"`
	}
	Error *struct{ Code, Message string }
}

func content(t *testing.T, b *Batches, owner string, id *string) (all []outLine) {
	t.Helper()
	if id == nil {
		return nil
	}
	f, meta, err := b.Content(owner, *id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != meta.Bytes || meta.Purpose != PurposeOutput {
		t.Errorf("%+v is %v, %v", meta, info, err)
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l outLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		all = append(all, l)
	}
	return all
}

func TestBatchEndsWithOutputInTheOrderOfItsInput(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	r := &runner{answer: func(_ context.Context, id string, _ int) Answer {
		if id == "c3" {
			return Answer{Status: 400, RequestID: "r", ContentType: "application/json", Body: []byte(`{"error":{"message":"no"}}`)}
		}
		return good(id)
	}}
	start(t, b, r)
	f := upload(t, b, "ann", requests(100))
	made := create(t, b, "ann", f.ID)
	if made.Status != Validating || made.Object != "batch" || made.InputFileID != f.ID {
		t.Errorf("made %+v", made)
	}
	got := until(t, b, "ann", made.ID, "ended", ended)
	if got.Status != Completed || got.RequestCounts != (Counts{100, 99, 1}) || got.CompletedAt == nil || got.FinalizingAt == nil || got.InProgressAt == nil {
		t.Errorf("%+v", got)
	}
	if got.Usage.Input != 198 || got.Usage.Output != 297 || got.Usage.Total != 495 || got.Usage.InputDetails.Cached != 99 {
		t.Errorf("usage %+v", got.Usage)
	}
	out := content(t, b, "ann", got.OutputFileID)
	want := 0
	for _, l := range out {
		if want == 3 {
			want++
		}
		if l.CustomID != fmt.Sprintf("c%d", want) || l.Error != nil || l.Response.StatusCode != 200 || string(l.Response.Body) != fmt.Sprintf(`{"echo":"c%d"}`, want) {
			t.Fatalf("line %d is %+v", want, l)
		}
		want++
	}
	bad := content(t, b, "ann", got.ErrorFileID)
	if want != 100 || len(bad) != 1 || bad[0].CustomID != "c3" || bad[0].Response.StatusCode != 400 || bad[0].Error != nil {
		t.Errorf("%d good, bad %+v", want, bad)
	}
	if n := r.total(); n != 100 {
		t.Errorf("%d runs", n)
	}
	if r.most > limitsOfTests().Concurrency {
		t.Errorf("%d lines at the same time", r.most)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	quotaBody := []byte(`{"error":{"message":"empty","code":"insufficient_quota"}}`)
	r := &runner{answer: func(_ context.Context, id string, n int) Answer {
		switch {
		case id == "c0" && n <= 20:
			return Answer{Status: 429}
		case id == "c1" && n <= 4:
			return Answer{Busy: true}
		case id == "c2" && n <= 5:
			return Answer{Status: 500}
		case id == "c3":
			return Answer{Status: 502}
		case id == "c4":
			return Answer{Status: 429, Body: quotaBody}
		case id == "c5" && n <= 20:
			return Answer{Status: 503}
		case id == "c6":
			return Answer{Status: 422}
		}
		return good(id)
	}}
	start(t, b, r)
	id := create(t, b, "", upload(t, b, "", requests(8)).ID).ID
	got := until(t, b, "", id, "ended", ended)
	if got.RequestCounts != (Counts{8, 5, 3}) {
		t.Errorf("%+v", got.RequestCounts)
	}
	for id, want := range map[string]int{"c0": 21, "c1": 5, "c2": 6, "c3": 6, "c4": 6, "c5": 21, "c6": 1, "c7": 1} {
		if r.runs[id] != want {
			t.Errorf("%s was run %d times, want %d", id, r.runs[id], want)
		}
	}
	if s := b.Stats(); s.Completed != 5 || s.Failed != 3 || s.Busy != 4 || s.Retried != 20+5+5+5+20 || s.Batches[Completed] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	var first, second time.Time
	const wait = 300 * time.Millisecond
	start(t, b, &runner{answer: func(_ context.Context, id string, n int) Answer {
		if n == 1 {
			first = time.Now()
			return Answer{Status: 429, RetryAfter: wait}
		}
		second = time.Now()
		return good(id)
	}})
	id := create(t, b, "", upload(t, b, "", requests(1)).ID).ID
	until(t, b, "", id, "ended", ended)
	if second.Sub(first) < wait {
		t.Errorf("came again after %s", second.Sub(first))
	}
}

// While nothing can be written a line's answer is held, and not asked for again.
func TestAnswersWaitForTheDisk(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir())
	open := make(chan struct{})
	r := &runner{answer: hold(open)}
	start(t, b, r)
	id := create(t, b, "ann", upload(t, b, "ann", requests(2)).ID).ID
	for b.Stats().InFlight != 2 {
		time.Sleep(time.Millisecond)
	}
	deaf, err := os.Open(os.DevNull) // refuses writes, as a full disk does
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	swap := func(f *os.File) (old *os.File) {
		b.mu.Lock()
		defer b.mu.Unlock()
		j := b.all[id].journal
		j.mu.Lock()
		defer j.mu.Unlock()
		old, j.file = j.file, f
		return old
	}
	disk := swap(deaf)
	close(open)
	for b.Stats().Unwritten < 4 {
		time.Sleep(time.Millisecond)
	}
	if got, err := b.Batch("ann", id); err != nil || got.RequestCounts.Completed != 0 {
		t.Errorf("%+v %v", got, err)
	}
	swap(disk)
	if got := until(t, b, "ann", id, "ended", ended); got.RequestCounts != (Counts{2, 2, 0}) || r.total() != 2 {
		t.Errorf("%+v, %d runs", got, r.total())
	}
}

// hold answers nothing until its context or the channel ends.
func hold(open <-chan struct{}) func(context.Context, string, int) Answer {
	return func(ctx context.Context, id string, _ int) Answer {
		select {
		case <-open:
			return good(id)
		case <-ctx.Done():
			return Answer{}
		}
	}
}

func TestCancelLetsLinesUnderWayFinish(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir(), func(o *Options) { o.Config.Concurrency = 4 })
	open := make(chan struct{})
	start(t, b, &runner{answer: hold(open)})
	id := create(t, b, "ann", upload(t, b, "ann", requests(20)).ID).ID
	for b.Stats().InFlight != 4 {
		time.Sleep(time.Millisecond)
	}
	got, err := b.Cancel("ann", id)
	if err != nil || got.Status != Cancelling || got.CancellingAt == nil {
		t.Fatalf("%+v %v", got, err)
	}
	if again, err := b.Cancel("ann", id); err != nil || again.Status != Cancelling {
		t.Errorf("again: %+v %v", again, err)
	}
	close(open)
	got = until(t, b, "ann", id, "ended", ended)
	if got.Status != Cancelled || got.RequestCounts != (Counts{20, 4, 16}) {
		t.Errorf("%+v", got)
	}
	bad := content(t, b, "ann", got.ErrorFileID)
	if len(content(t, b, "ann", got.OutputFileID)) != 4 || len(bad) != 16 || bad[0].Response != nil || bad[0].Error.Code != "batch_cancelled" {
		t.Errorf("bad %+v", bad)
	}
	if _, err := b.Cancel("ann", id); err == nil {
		t.Error("cancelled after its end")
	}
}

func TestExpiryCutsAfterTheGrace(t *testing.T) {
	t.Parallel()
	b := openAt(t, t.TempDir(), func(o *Options) {
		o.Config.Expiry, o.Config.Grace, o.Config.Concurrency = 3*time.Second, time.Millisecond, 2
	})
	start(t, b, &runner{answer: func(ctx context.Context, id string, n int) Answer {
		if id == "c0" {
			return good(id)
		}
		return hold(nil)(ctx, id, n)
	}})
	id := create(t, b, "ann", upload(t, b, "ann", requests(9)).ID).ID
	got := until(t, b, "ann", id, "ended", ended)
	bad := content(t, b, "ann", got.ErrorFileID)
	if got.Status != Expired || got.ExpiredAt == nil || got.RequestCounts != (Counts{9, 1, 8}) || len(bad) != 8 || bad[0].Error.Code != "batch_expired" {
		t.Errorf("%+v, bad %+v", got, bad)
	}
}

package wall_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

const patience = time.Minute

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  wall.Fault
		whole  bool   // the request asks for no stream
		status int    // 0: no answer
		header string // retry-after
		err    error  // of the body, or of the request where status is 0
		has    string
		lacks  string
	}{
		{name: "rate limit", fault: wall.Status(429).RetryAfter("7"), status: 429, header: "7", has: "rate_limit_exceeded"},
		{name: "quota", fault: wall.Quota(), status: 429, has: "insufficient_quota"},
		{name: "forbidden", fault: wall.Status(403), status: 403, has: "unsupported_country"},
		{name: "server error", fault: wall.Status(500), status: 500, has: "server_error"},
		{name: "reset", fault: wall.Reset(), err: syscall.ECONNRESET},
		{name: "reset mid-stream", fault: wall.ResetAfter(2), status: 200, err: syscall.ECONNRESET},
		{name: "close mid-stream", fault: wall.CloseAfter(2), status: 200, err: io.ErrUnexpectedEOF, has: `"You"`, lacks: " said"},
		{name: "end mid-stream", fault: wall.EndAfter(2), status: 200, has: `"You"`, lacks: " said"},
		{name: "end late", fault: wall.EndAfter(1000), status: 200, has: "wall", lacks: "DONE"},
		{name: "error as first event", fault: wall.ErrorAfter(0), status: 200, has: `data: {"error":`, lacks: "role"},
		{name: "error later", fault: wall.ErrorAfter(2), status: 200, has: `data: {"error":`, lacks: " said"},
		{name: "whole closed", fault: wall.CloseAfter(0), whole: true, status: 200, err: io.ErrUnexpectedEOF},
		{name: "whole ended", fault: wall.EndAfter(0), whole: true, status: 200, has: `{"id":`, lacks: "service_tier"},
		{name: "whole error", fault: wall.ErrorAfter(0), whole: true, status: 200, has: `{"error":`},
		{name: "garbage", fault: wall.Garbage(), whole: true, status: 200, has: "<<<<"},
		{name: "garbage stream", fault: wall.Garbage(), status: 200, has: "}}}"},
		{name: "empty", fault: wall.Empty(), status: 200},
		{name: "pause", fault: wall.PauseAfter(0, time.Millisecond), status: 200, has: "DONE"},
		{name: "pause late", fault: wall.PauseAfter(1000, time.Millisecond), status: 200, has: `"finish_reason":"stop"`},
		{name: "whole pause", fault: wall.PauseAfter(0, time.Millisecond), whole: true, status: 200, has: "service_tier"},
		{name: "torn", fault: wall.TornAfter(2), status: 200, has: "{\"con\n\ndata: ", lacks: "null}}"},
		{name: "torn goes on", fault: wall.TornAfter(2), status: 200, has: "DONE"},
		{name: "whole torn", fault: wall.TornAfter(0), whole: true, status: 200, has: `"...`, lacks: "service_tier"},
		{name: "no done", fault: wall.NoDone(), status: 200, has: `"finish_reason":"stop"`, lacks: "DONE"},
		{name: "own words", fault: wall.Refuse(400, "too_blue", "Too blue."), status: 400, has: `"code":"too_blue"`},
		{name: "web page", fault: wall.HTML(), status: 200, has: "<!doctype html>"},
		{name: "error with 200", fault: wall.ErrorJSON(), status: 200, has: `{"error":`},
		{name: "latency", fault: wall.Latency(time.Millisecond), status: 200, has: "DONE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Faults(test.fault))
			body := question
			if !test.whole {
				body = question[:len(question)-1] + `,"stream":true}`
			}
			reply, err := http.Post(w.URL()+"/chat/completions", "application/json", strings.NewReader(body))
			status, header, text := 0, "", ""
			if err == nil {
				defer reply.Body.Close()
				var all []byte
				all, err = io.ReadAll(reply.Body)
				status, header, text = reply.StatusCode, reply.Header.Get("Retry-After"), string(all)
			}
			if status != test.status || header != test.header || !errors.Is(err, test.err) {
				t.Errorf("status %d, retry-after %q, error %v", status, header, err)
			}
			if !strings.Contains(text, test.has) || test.lacks != "" && strings.Contains(text, test.lacks) {
				t.Errorf("got %s, want %q and not %q", text, test.has, test.lacks)
			}
			if r := w.Requests(); len(r) != 1 || r[0].Fault != test.fault.String() {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

// ask makes a chat request and returns its status; 0 for none.
func ask(ctx context.Context, t *testing.T, w *wall.Wall, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", w.URL()+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer reply.Body.Close()
	_, _ = io.Copy(io.Discard, reply.Body) // the status is what counts
	return reply.StatusCode
}

func TestFaultsOnPrefill(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(wall.Status(503).OnPrefill()))
	begun := strings.Replace(question, `]`, `,{"role":"assistant","content":"You"}]`, 1)
	if plain, prefilled := ask(t.Context(), t, w, question), ask(t.Context(), t, w, begun); plain != 200 || prefilled != 503 {
		t.Errorf("got %d for a question and %d for one with the answer's beginning", plain, prefilled)
	}
}

func TestFaultsAreChosen(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(
		wall.Status(503).Every(3),
		wall.Status(500).Times(1).ForModel(wall.ChatModel),
		wall.Status(418).On("/v1/embeddings"),
	))
	var got []int
	for range 6 {
		got = append(got, ask(t.Context(), t, w, question))
	}
	for i, want := range []int{500, 200, 503, 200, 200, 503} {
		if got[i] != want {
			t.Fatalf("got %v", got)
		}
	}
	w.Break(wall.Status(400))
	if got := ask(t.Context(), t, w, question); got != 400 {
		t.Errorf("broken while running: %d", got)
	}
	w.Mend()
	if got := ask(t.Context(), t, w, question); got != 200 {
		t.Errorf("mended: %d", got)
	}
	if c := w.Counts(); c.Requests != 8 || c.Struck != 4 || c.Complete != 8 {
		t.Errorf("counts %+v", c)
	}
}

func TestSeesClientLeave(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault wall.Fault
		body  string
	}{
		{name: "before the first byte", fault: wall.Silent(), body: question},
		{name: "mid-stream", fault: wall.StallAfter(2), body: question[:len(question)-1] + `,"stream":true}`},
		{name: "during a latency", fault: wall.Latency(time.Hour), body: question},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Faults(test.fault))
			limit, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client, leave := context.WithCancel(limit)
			var asked sync.WaitGroup
			asked.Go(func() { ask(client, t, w, test.body) })
			if err := w.Wait(limit, func(all []wall.Request) bool { return len(all) == 1 && all[0].Fault != "" }); err != nil {
				t.Fatal(err)
			}
			leave()
			if err := w.Wait(limit, func(all []wall.Request) bool { return all[0].Ended }); err != nil {
				t.Fatal(err)
			}
			asked.Wait()
			if r := w.Requests()[0]; !r.Left || w.Counts().Left != 1 {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

func TestRemembers(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Remember(2))
	for range 5 {
		ask(t.Context(), t, w, question)
	}
	all := w.Requests()
	r := all[len(all)-1]
	if len(all) != 3 || w.Counts().Requests != 5 {
		t.Errorf("%d kept of %d", len(all), w.Counts().Requests)
	}
	if r.Method != "POST" || r.Path != "/v1/chat/completions" || r.Model != wall.ChatModel || string(r.Body) != question || !r.Ended || r.Status != 200 || r.Conn == 0 || r.Left {
		t.Errorf("recorded %+v", r)
	}
	if sum := sha256.Sum256([]byte(question)); r.SHA256() != hex.EncodeToString(sum[:]) {
		t.Errorf("sum %s", r.SHA256())
	}
	w.Forget()
	if len(w.Requests()) != 0 || w.Counts().Requests != 0 {
		t.Error("not forgotten")
	}
}

func TestDead(t *testing.T) {
	t.Parallel()
	if _, err := http.Get(wall.Dead(t)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkChat(b *testing.B) {
	w := wall.Start(b, wall.Remember(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			reply, err := http.Post(w.URL()+"/chat/completions", "application/json", strings.NewReader(question))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, reply.Body) // to use the connection again
			reply.Body.Close()
		}
	})
}

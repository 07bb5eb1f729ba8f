package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// rescuing is a pipeline whose streams are rescued, or not.
func rescuing(how string) string {
	return listen + fmt.Sprintf(`
pipeline "default" {
  step "health"   { run = plugin.prober.models }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" {
    run            = provider.adapter
    rescue         = %q
    rescue_timeout = "60s" # with the race detector, on a busy machine
  }
}
`, how)
}

// streamed is what a client made of a chat stream.
type streamed struct {
	text  string
	ids   map[string]bool
	done  bool
	fault string // the message of the error event
}

// readChat reads a stream as a strict client does: the error is what it can't take
// for a clean end, be that a whole answer or an error event.
func readChat(body io.Reader, first func()) (streamed, error) {
	s := streamed{ids: make(map[string]bool)}
	all, err := eachEvent(body, func(data []byte) error {
		if s.done || s.fault != "" {
			return fmt.Errorf("after the end comes %q", data)
		}
		if bytes.Equal(data, []byte("[DONE]")) {
			s.done = true
			return nil
		}
		var chunk struct {
			ID      string
			Choices []struct{ Delta struct{ Content string } }
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal(data, &chunk); err != nil {
			return err
		}
		if chunk.Error != nil {
			s.fault = chunk.Error.Message
			return nil
		}
		if chunk.ID != "" { // as Azure's event about the prompt has none
			s.ids[chunk.ID] = true
		}
		for _, c := range chunk.Choices {
			if c.Delta.Content != "" && s.text == "" && first != nil {
				first()
			}
			s.text += c.Delta.Content
		}
		return nil
	})
	switch {
	case err != nil:
		return s, fmt.Errorf("%w in %s", err, all)
	case s.done == (s.fault != ""):
		return s, fmt.Errorf("neither done nor an error, or both: %s", all)
	case len(s.ids) > 1:
		return s, fmt.Errorf("one stream has the ids %v", s.ids)
	}
	return s, nil
}

// eachEvent gives out the data of each event as it comes, and returns all bytes.
func eachEvent(body io.Reader, do func(data []byte) error) ([]byte, error) {
	var all, rest []byte
	piece := make([]byte, 4<<10)
	for {
		n, err := body.Read(piece)
		all, rest = append(all, piece[:n]...), append(rest, piece[:n]...)
		for {
			event, more, ok := bytes.Cut(rest, []byte("\n\n"))
			if !ok {
				break
			}
			rest = more
			data, ok := bytes.CutPrefix(event, []byte("data: "))
			if !ok {
				continue // a comment
			}
			if err := do(data); err != nil {
				return all, err
			}
		}
		switch {
		case err == io.EOF && len(bytes.TrimSpace(rest)) > 0:
			return all, fmt.Errorf("the end is torn: %q", rest)
		case err == io.EOF:
			return all, nil
		case err != nil:
			return all, err
		}
	}
}

// open begins a stream. first is called at its first word.
func (r *router) open(ctx context.Context, model, text string, first func()) (streamed, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/chat/completions", bytes.NewReader(chatBody(model, true, text)))
	if err != nil {
		return streamed{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := clients.Do(req)
	if err != nil {
		return streamed{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body) // the status is what counts
		return streamed{}, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return readChat(resp.Body, first)
}

// TestRescueAfterFortyWords: a stream that is cut after 40 of 60 words ends
// whole, each word once, whatever cuts it.
func TestRescueAfterFortyWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault wall.Fault
	}{
		{name: "reset", fault: wall.ResetAfter(1 + 40)},
		{name: "closed", fault: wall.CloseAfter(1 + 40)},
		{name: "ended", fault: wall.EndAfter(1 + 40)},
		{name: "stalled", fault: wall.StallAfter(1 + 40)},
		{name: "torn", fault: wall.TornAfter(1 + 40)},
		{name: "error event", fault: wall.ErrorAfter(1 + 40)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bad := wall.Start(t, wall.Models("m"), wall.Answer(sixty), wall.Pace(time.Millisecond), wall.Faults(tc.fault.On("/v1/chat")))
			good := wall.Start(t, wall.Models("m"), wall.Answer(sixty), wall.Pace(time.Millisecond))
			r := startRouter(t, rescuing("verify")+
				channel("bad", bad.URL(), upstreamKey, "priority = 1", `timeouts { idle = "500ms" }`)+
				channel("good", good.URL(), upstreamKey, "priority = 2"))
			// The selector may begin with either.
			wait(t, "a stream was cut and rescued", func() bool {
				s, err := r.open(t.Context(), "m", "tell me", nil)
				if err != nil || s.text != sixty {
					t.Fatalf("%v: %+v", err, s)
				}
				return r.metric("smartrouter_rescues_total", `result="rescued"`) > 0
			})
			if n := r.metric("smartrouter_rescues_total"); n != r.metric("smartrouter_rescues_total", `result="rescued"`) {
				t.Errorf("of %v rescues not all went well", n)
			}
		})
	}
}

// TestKilledUnderStreams: of 500 streams over two channels, one of which dies,
// none ends in the middle as if it were whole, and with a rescue hardly any ends
// in the middle at all. Requests begun afterwards are whole.
func TestKilledUnderStreams(t *testing.T) {
	for _, how := range []string{"verify", "off"} {
		t.Run(how, func(t *testing.T) {
			const streams, late = 500, 50
			start := func(pace time.Duration) *wall.Wall {
				return wall.Start(t, wall.Models("m"), wall.Answer(sixty), wall.Pace(pace), wall.Remember(0))
			}
			// Streams of the one last until a busy machine has begun them all.
			dying, other := start(400*time.Millisecond), start(20*time.Millisecond)
			pool := "pool {\n    max_connections = 1000\n  }"
			// The selector prefers one of two that are equal; it may have half.
			half := fmt.Sprintf("max_in_flight = %d", streams/2)
			r := startRouter(t, rescuing(how)+
				channel("dying", dying.URL(), upstreamKey, pool, half, "priority = 1")+
				channel("other", other.URL(), upstreamKey, pool, "priority = 2"))
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			var whole, faults, begun atomic.Int64
			var all sync.WaitGroup
			begin := func(i int, mayBreak bool) {
				all.Go(func() {
					s, err := r.open(ctx, "m", fmt.Sprintf("stream %d", i), func() { begun.Add(1) })
					switch {
					case err != nil:
						t.Errorf("stream %d: %.300v", i, err)
					case s.done && s.text == sixty:
						whole.Add(1)
					case s.fault != "" && mayBreak && strings.HasPrefix(sixty, s.text):
						faults.Add(1)
					default:
						t.Errorf("stream %d: %+v", i, s)
					}
				})
			}
			for i := range streams {
				begin(i, true)
			}
			wait(t, "all streams have begun", func() bool { return begun.Load() == streams })
			if n := r.metric("smartrouter_channel_in_flight", `"dying"`); n < streams/4 || n > streams/2 {
				t.Errorf("%v streams on the channel that dies", n)
			}
			dying.Close()
			for i := range late {
				begin(streams+i, false)
			}
			all.Wait()
			t.Logf("%d whole, %d with an error event, rescues: %v", whole.Load(), faults.Load(), r.metric("smartrouter_rescues_total", `result="rescued"`))
			switch {
			case whole.Load()+faults.Load() != streams+late:
				t.Error("streams are missing")
			case how == "verify" && faults.Load() > streams/50:
				t.Errorf("%d of %d streams were not rescued", faults.Load(), streams)
			case how == "off" && faults.Load() < streams/4:
				t.Errorf("only %d streams broke off", faults.Load())
			}
			wait(t, "nothing is under way", func() bool { return r.metric("smartrouter_channel_in_flight") == 0 })
		})
	}
}

// TestQueueOfAChannel: a channel that works on as many as it may lets the next
// ones wait, and turns away who finds no place in line, at once.
func TestQueueOfAChannel(t *testing.T) {
	t.Parallel()
	const room, line, clientCount = 2, 5, 20
	w := wall.Start(t, wall.Models("m"), wall.Faults(wall.Latency(time.Second).On("/v1/chat")))
	r := startRouter(t, listen+channel("only", w.URL(), upstreamKey, fmt.Sprintf("max_in_flight = %d", room), fmt.Sprintf("queue = %d", line), `timeouts { pool = "60s" }`))
	var served, turnedAway atomic.Int64
	var all sync.WaitGroup
	for i := range clientCount {
		all.Go(func() {
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, fmt.Sprint(i)))
			switch {
			case err != nil:
				t.Error(err)
			case resp.StatusCode == http.StatusOK:
				served.Add(1)
			case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" && resp.Header.Get("X-Should-Retry") == "":
				turnedAway.Add(1)
			default:
				t.Errorf("%s %v: %s", resp.Status, resp.Header, body)
			}
		})
	}
	all.Wait()
	if served.Load() < room+line || turnedAway.Load() == 0 || served.Load()+turnedAway.Load() != clientCount {
		t.Errorf("%d served, %d turned away", served.Load(), turnedAway.Load())
	}
	if n := r.metric("smartrouter_queue_wait_seconds_count", `served="true"`); n != float64(served.Load()-room) && n < line {
		t.Errorf("%v waited and were served", n)
	}
	r.counts(0, "smartrouter_channel_queued")
}

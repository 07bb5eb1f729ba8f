package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// answersPipeline is the default one with attributes of the cache step. A
// swamped machine is slow, not wrong: its steps have time.
func answersPipeline(attributes string) string {
	return `
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run     = plugin.cache.local
    timeout = "10s"
    ` + attributes + `
  }
  step "choose" {
    run     = plugin.selector.smart
    timeout = "10s"
  }
  step "precheck" {
    run     = plugin.prechecker.race
    timeout = "10s"
  }
  step "call" { run = provider.adapter }
}
`
}

// asks is a chat that is answered: its x-cache, header and body.
func (r *router) asks(body []byte, header ...string) (string, http.Header, []byte) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), waitLimit)
	defer cancel()
	resp, answer, err := r.post(ctx, "/chat/completions", body, header...)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%v: %s", err, answer)
	}
	return resp.Header.Get("X-Cache"), resp.Header, answer
}

const tenants = `
key "us" { secret = "sk-us" }
key "them" { secret = "sk-them" }
`

// asUs are the header fields of one of the tenants.
func asUs(more ...string) []string { return append([]string{"Authorization", "Bearer sk-us"}, more...) }

func TestAnswerCacheByOfficialClients(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey))
	r := startRouter(t, listen+tenants+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	t.Run("node", func(t *testing.T) {
		installNode(t, nodeClients)
		run(t, nodeClients, []string{"BASE_URL=" + r.URL, "API_KEY=sk-us"}, "node", "cache.mjs")
	})
	t.Run("go", func(t *testing.T) {
		client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("sk-them"), option.WithMaxRetries(0))
		question := openai.ChatCompletionNewParams{
			Model:    wall.ChatModel,
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("a long one: " + strings.Repeat("words \"and\" wörter 😀\n", 80))},
		}
		whole, err := client.Chat.Completions.New(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		question.StreamOptions.IncludeUsage = openai.Bool(true)
		var raw *http.Response
		stream := client.Chat.Completions.NewStreaming(t.Context(), question, option.WithResponseInto(&raw))
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatalf("does not fit: %s", stream.Current().RawJSON())
			}
		}
		if stream.Err() != nil || raw.Header.Get("X-Cache") != "hit" {
			t.Fatalf("%v, x-cache %q", stream.Err(), raw.Header.Get("X-Cache"))
		}
		if all.ID != whole.ID || all.Choices[0].Message.Content != whole.Choices[0].Message.Content ||
			all.Choices[0].FinishReason != whole.Choices[0].FinishReason || all.Usage.TotalTokens != whole.Usage.TotalTokens {
			t.Errorf("replayed %+v\nanswered %s", all.Choices, whole.RawJSON())
		}
	})
}

func TestAnswerCacheHeaders(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+tenants+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	question := chatBody("m", false, "hello")
	for i, tc := range []struct {
		name   string
		header []string
		want   string
		asked  int // upstream, so far
	}{
		{name: "first", header: asUs(), want: "miss", asked: 1},
		{name: "again", header: asUs(), want: "hit", asked: 1},
		{name: "young enough", header: asUs("Cache-Control", "max-age=600"), want: "hit", asked: 1},
		{name: "another tenant", header: []string{"Authorization", "Bearer sk-them"}, want: "miss", asked: 2},
		{name: "no-store", header: asUs("Cache-Control", "no-store"), want: "bypass", asked: 3},
		{name: "no time", header: asUs("X-Smartrouter-Cache-Ttl", "0"), want: "bypass", asked: 4},
		{name: "no-cache", header: asUs("Cache-Control", "no-cache"), want: "miss", asked: 5},
		{name: "what that brought", header: asUs(), want: "hit", asked: 5},
	} {
		got, h, _ := r.asks(question, tc.header...)
		if got != tc.want || len(chatsAt(w)) != tc.asked {
			t.Errorf("%d, %s: %s, and %d upstream requests; want %s and %d", i, tc.name, got, len(chatsAt(w)), tc.want, tc.asked)
		}
		if got != "hit" {
			continue
		}
		if h.Get("Age") == "" || h.Get("X-Smartrouter-Channel") != "a" || h.Get("X-Smartrouter-Model") != "m" || h.Get("X-Smartrouter-Attempts") != "0" || h.Get("X-Request-Id") == "" {
			t.Errorf("headers of a hit: %v", h)
		}
	}
	resp, body, err := r.post(t.Context(), "/chat/completions", question, asUs("X-Smartrouter-Cache-Ttl", "soon")...)
	if err != nil || resp.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte("x-smartrouter-cache-ttl")) {
		t.Errorf("a time that is none: %v %s", err, body)
	}
}

func TestNoErrorAndNothingCutOffIsCached(t *testing.T) {
	t.Parallel()
	const broken, good = "broken", "m"
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models(broken, good), wall.Faults(wall.EndAfter(3).ForModel(broken)))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	limited, _ := json.Marshal(map[string]any{
		"model": good, "max_tokens": 1, "messages": []map[string]string{{"role": "user", "content": "one two three"}},
	})
	wrong, _ := json.Marshal(map[string]any{"model": good, "messages": []string{}})
	for name, body := range map[string][]byte{"cut off by a limit": limited, "a refusal": wrong, "a stream that breaks off": chatBody(broken, true, "x")} {
		for range 2 {
			resp, answer, err := r.post(t.Context(), "/chat/completions", body)
			if err != nil || resp.Header.Get("X-Cache") != "miss" {
				t.Errorf("%s: %v, x-cache %q: %s", name, err, resp.Header.Get("X-Cache"), answer)
			}
		}
	}
	if n := r.metric("smartrouter_answers_known"); n != 0 {
		t.Errorf("%v answers were stored", n)
	}
}

// An answer that a filter has cut is none to be given again, whole or streamed.
func TestNothingFilteredIsCached(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	filter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		switch {
		case q.Method != http.MethodPost:
			io.WriteString(w, `{"data":[{"id":"m"}]}`)
		case bytes.Contains(body, []byte(`"stream":true`)):
			asked.Add(1)
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"half"},"finish_reason":"content_filter"}]}`+"\n\ndata: [DONE]\n\n")
		default:
			asked.Add(1)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"half"},"finish_reason":"content_filter"}]}`)
		}
	}))
	t.Cleanup(filter.Close)
	r := startRouter(t, listen+channel("a", filter.URL+"/v1", upstreamKey)+answersPipeline(`ttl = "10m"`))
	for i, stream := range []bool{false, false, true, true} {
		got, _, body := r.asks(chatBody("m", stream, "hello"))
		if got != "miss" || !bytes.Contains(body, []byte("content_filter")) || asked.Load() != int64(i+1) {
			t.Errorf("stream %t: %s, and %d upstream requests: %s", stream, got, asked.Load(), body)
		}
	}
}

// What stands in for a model that is down is not what the next ones get for ten
// minutes.
func TestAFallbacksAnswerIsNotCached(t *testing.T) {
	t.Parallel()
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Status(503).On("/v1/chat").Times(2)))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("spare"))
	r := startRouter(t, listen+`
model "m" { fallbacks = ["spare"] }
`+channel("a", first.URL(), upstreamKey)+channel("b", second.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	if got, h, _ := r.asks(chatBody("m", false, "x")); got != "miss" || h.Get("X-Smartrouter-Model") != "spare" {
		t.Fatalf("%s by %s: the fallback was to answer", got, h.Get("X-Smartrouter-Model"))
	}
	if got, _, _ := r.asks(chatBody("m", false, "x")); got != "miss" {
		t.Errorf("then %s", got)
	}
}

func TestAnswersSurviveAKillInBothForms(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	_, _, whole := r.asks(chatBody("m", false, "the same"))
	wait(t, "the answer is stored", func() bool { return r.metric("smartrouter_answers_known") == 1 })
	r.stop(syscall.SIGKILL)
	again := startRouterAt(t, r.config, r.data)
	if got, _, body := again.asks(chatBody("m", false, "the same")); got != "hit" || !bytes.Equal(body, whole) {
		t.Errorf("%s: %s; before the kill: %s", got, body, whole)
	}
	if got, h, body := again.asks(chatBody("m", true, "the same")); got != "hit" || !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") || !bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) {
		t.Errorf("%s %v: %s", got, h, body)
	}
	if n := len(chatsAt(w)); n != 1 {
		t.Errorf("%d chats upstream", n)
	}
}

// Hits cost no plugin, so they go on without it; and what is asked for anew is
// answered too.
func TestCachePluginKilledUnderHits(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	for _, front := range []string{"16MiB", "0"} {
		r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(fmt.Sprintf("ttl = \"10m\"\n front = %q", front)))
		const questions = 50
		if errs := r.load(t.Context(), 8, questions, "m"); len(errs) > 0 {
			t.Fatal(errs[0])
		}
		wait(t, "the answers are stored", func() bool { return r.metric("smartrouter_answers_known") == questions })
		for range 3 {
			was := r.killPlugin("plugin.cache.local")
			if errs := r.load(t.Context(), 16, 4*questions, "m"); len(errs) > 0 {
				t.Errorf("front %s: %d requests failed, the first: %v", front, len(errs), errs[0])
			}
			wait(t, "the plugin is back", func() bool {
				p := pluginAt(r, "plugin.cache.local")
				return p.State == catalog.Ready && p.PID != was.PID
			})
		}
		// What was stored before is there again.
		hits := func() float64 { return r.metric("smartrouter_cached_answers_total", `result="hit"`) }
		before := hits()
		if errs := r.load(t.Context(), 8, questions, "m"); len(errs) > 0 {
			t.Fatal(errs[0])
		}
		wait(t, "all are hits after the plugin was back", func() bool { return hits()-before == questions })
	}
}

func TestTheIndexOfAnswersIsBounded(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline("ttl = \"10m\"\n max_answers = 5\n front = \"0\""))
	if errs := r.load(t.Context(), 4, 40, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	wait(t, "answers are stored", func() bool { return r.metric("smartrouter_answers_known") == 5 })
	// Nor does a restart know more, which reads all that is stored.
	r.stop(syscall.SIGTERM)
	again := startRouterAt(t, r.config, r.data)
	again.counts(5, "smartrouter_answers_known")
}

func TestAnswersEndWithTheirTime(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "1s"`))
	begun := time.Now()
	r.asks(chatBody("m", false, "x"))
	wait(t, "the answer's time is over", func() bool {
		got, _, _ := r.asks(chatBody("m", false, "x"))
		return got == "miss"
	})
	if took := time.Since(begun); took < time.Second {
		t.Errorf("kept for %s only", took)
	}
}

package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const storedChat = `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}`

func TestFit(t *testing.T) {
	t.Parallel()
	whole := &pipeline.Answer{ContentType: "application/json; charset=utf-8", Channel: "a", Model: "m", Body: []byte(storedChat)}
	q := func(stream, usage bool) *pipeline.Request {
		return &pipeline.Request{Facts: sdk.Request{Endpoint: sdk.Chat, Stream: stream}, Usage: usage}
	}
	if got := (Forms{}).Fit(whole, q(false, false)); got.ContentType != whole.ContentType || string(got.Body) != storedChat {
		t.Errorf("as it was: %+v", got)
	}
	events := (Forms{}).Fit(whole, q(true, true))
	if events == nil || events.ContentType != eventStream || events.Channel != "a" || !strings.HasSuffix(string(events.Body), "data: [DONE]\n\n") {
		t.Fatalf("as a stream: %+v", events)
	}
	if back := (Forms{}).Fit(events, q(false, false)); back == nil || back.ContentType != "application/json" {
		t.Errorf("and back: %+v", back)
	}
	plain := (Forms{}).Fit(events, q(true, false))
	if plain == nil || strings.Contains(string(plain.Body), "total_tokens") {
		t.Errorf("without its usage: %+v", plain)
	}
	if got := (Forms{}).Fit(plain, q(true, true)); got != nil {
		t.Errorf("a usage that is not there: %s", got.Body)
	}
	if string(whole.Body) != storedChat {
		t.Error("the stored answer has changed")
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	replay(w, &pipeline.Answer{ContentType: eventStream, Channel: "a", Model: "m", Age: 90*time.Second + 900*time.Millisecond, Body: []byte("data: [DONE]\n\n")}, time.Second)
	for name, want := range map[string]string{
		"Content-Type": eventStream, "Content-Length": "14", "Cache-Control": "no-cache", "Age": "90",
		"X-Smartrouter-Channel": "a", "X-Smartrouter-Model": "m", "X-Smartrouter-Attempts": "0",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w.Code != http.StatusOK || w.Body.String() != "data: [DONE]\n\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

package upstream

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// What a limit per minute keeps from one channel goes to the next; where none is
// left the client is told when to come again, at once where that is longer than
// it may wait.
func TestRequestsPerMinuteLeadToTheNextTarget(t *testing.T) {
	t.Parallel()
	url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	})
	two := func(c *config.Channel) { c.RequestsPerMinute = 2 }
	l := newLab(t, spec{url: url, change: two}, spec{url: url, change: two})
	ask := func() Outcome {
		return l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	}
	for i, want := range []*board.Target{l.targets[0], l.targets[0], l.targets[1], l.targets[1]} {
		if out := ask(); !out.Complete || out.Target != want || len(out.Attempts) != 1 {
			t.Errorf("request %d: %+v", i, out)
		}
	}
	out := ask()
	if out.Err == nil || out.Err.Status != http.StatusTooManyRequests || len(out.Attempts) != 0 {
		t.Fatalf("the fifth: %+v", out)
	}
	if out.RetryAfter < 30*time.Second || out.RetryAfter > board.Window+time.Second {
		t.Errorf("it is told to wait %s", out.RetryAfter)
	}
	l.settled()
}

// A request counts as many tokens as its answer says, not as it was reckoned.
func TestTokensOfTheAnswerCount(t *testing.T) {
	t.Parallel()
	const usage = `{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":6,"total_tokens":17}}`
	status := make(chan int, 1)
	url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(<-status)
		io.WriteString(w, usage)
	})
	l := newLab(t, spec{url: url, change: func(c *config.Channel) { c.TokensPerMinute = 1000 }})
	c := l.targets[0].Channel
	ask := func(code int) Outcome {
		status <- code
		return l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	}
	if out := ask(http.StatusOK); !out.Complete || c.Used(board.LimitTokens) != 17 {
		t.Errorf("%d tokens are used: %+v", c.Used(board.LimitTokens), out)
	}
	if ask(http.StatusBadRequest); c.Used(board.LimitTokens) != 17 {
		t.Errorf("%d tokens are used after a refusal", c.Used(board.LimitTokens))
	}
	l.settled()
}

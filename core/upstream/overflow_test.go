package upstream

import (
	"net/http"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestOverflow: a request that is too long for a model goes to one with more
// room, and never to that model again. What a filter refuses goes nowhere.
func TestOverflow(t *testing.T) {
	t.Parallel()
	tooLong := wall.Refuse(400, "context_length_exceeded", "The maximum context length is 8192 tokens, and 9631 came.")
	down := wall.Status(503)
	type at struct {
		fault wall.Fault
		model string // its own name where it is not the one asked for
		room  int64  // 0: not known
	}
	for _, tc := range []struct {
		name   string
		at     []at
		tries  []int
		status int
		code   string
	}{
		{name: "alone", at: []at{{fault: tooLong}}, tries: []int{1}, status: 400, code: "context_length_exceeded"},
		{name: "another channel would say the same", at: []at{{fault: tooLong}, {}}, tries: []int{1, 0}, status: 400, code: "context_length_exceeded"},
		{name: "a fallback whose room is not known", at: []at{{fault: tooLong, room: 8192}, {}, {model: "big"}}, tries: []int{1, 0, 1}, status: 200},
		{name: "a larger fallback", at: []at{{fault: tooLong, room: 8192}, {model: "big", room: 100_000}}, tries: []int{1, 1}, status: 200},
		{name: "a smaller fallback", at: []at{{fault: tooLong, room: 8192}, {model: "small", room: 4096}, {model: "same", room: 8192}, {model: "big", room: 8193}}, tries: []int{1, 0, 0, 1}, status: 200},
		{name: "smaller ones only", at: []at{{fault: tooLong, room: 8192}, {model: "small", room: 4096}}, tries: []int{1, 0}, status: 400, code: "context_length_exceeded"},
		{name: "a fallback that is too small too", at: []at{{fault: tooLong}, {fault: tooLong, model: "big"}}, tries: []int{1, 1}, status: 400, code: "context_length_exceeded"},
		{name: "a fallback that is down", at: []at{{fault: tooLong}, {fault: down, model: "big"}}, tries: []int{1, 2}, status: 503, code: "server_is_overloaded"},
		{name: "filtered", at: []at{{fault: wall.Refuse(400, "content_policy_violation", "The safety system rejects this.")}, {}, {model: "big"}}, tries: []int{1, 0, 0}, status: 400, code: "content_policy_violation"},
	} {
		for _, body := range []string{question, streamed} {
			kind := "whole"
			if body == streamed {
				kind = "stream"
			}
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				var walls []*wall.Wall
				var specs []spec
				for i, a := range tc.at {
					names := []string{model}
					if a.model != "" {
						names = []string{a.model}
					}
					options := []wall.Option{wall.Models(names...)}
					if a.fault != (wall.Fault{}) {
						options = append(options, wall.Faults(a.fault))
					}
					w := wall.Start(t, options...)
					walls = append(walls, w)
					specs = append(specs, spec{url: w.URL(), fallback: min(i, len(a.model)), change: func(c *config.Channel) {
						impatient(c)
						c.Models = names
					}})
				}
				l := newLab(t, specs...)
				for i, a := range tc.at {
					x := l.targets[i]
					l.board.SetHealth(x.Channel, board.Health{
						Listed: true, Models: []sdk.ModelInfo{{ID: x.Upstream, ContextTokens: a.room}}, ModelsUntil: x.Channel.Health().Until.AddDate(9999, 0, 0),
					})
				}
				l.targets = l.board.View().Targets
				r := ask(t, l.serve(), sdk.Chat, body)
				if r.status != tc.status || tc.code != "" && !strings.Contains(r.body, `"code":"`+tc.code+`"`) {
					t.Errorf("client got %d: %s", r.status, r.body)
				}
				for i, w := range walls {
					if n := w.Counts().Requests; n != tc.tries[i] {
						t.Errorf("%d tries at %d, want %d", n, i, tc.tries[i])
					}
				}
				if rate := l.targets[0].ErrorRate(); rate != 0 {
					t.Errorf("a target is blamed for a long request: %v", rate)
				}
				if out := l.outcome(); (tc.status == http.StatusOK) != (out.Err == nil) {
					t.Errorf("outcome %+v", out)
				}
				l.settled()
			})
		}
	}
}

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// With ask_usage the router counts the tokens of streams whose clients don't ask
// for them, and those get the very stream that they would have got without.
func TestUsageOfStreamsThatDoNotAsk(t *testing.T) {
	t.Parallel()
	for _, rescue := range []string{"off", "verify"} {
		t.Run("rescue "+rescue, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Answer("a stream of several words"))
			start := func(ask bool) *router {
				return startRouter(t, listen+channel("a", w.URL(), upstreamKey, `models = ["m"]`)+fmt.Sprintf(`
pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    timeout = "10s"
  }
  step "call" {
    run       = provider.adapter
    ask_usage = %t
    rescue    = %q
  }
}
`, ask, rescue))
			}
			plain, asking := start(false), start(true)
			stream := func(r *router, options string) (chunks []map[string]any) {
				t.Helper()
				body := bytes.TrimSuffix(chatBody("m", true, "hello"), []byte("}"))
				resp, answer, err := r.post(t.Context(), "/chat/completions", fmt.Appendf(body, "%s}", options))
				if err != nil || resp.StatusCode != http.StatusOK || !bytes.HasSuffix(answer, []byte("data: [DONE]\n\n")) {
					t.Fatalf("%v %s", err, answer)
				}
				for line := range bytes.Lines(answer) {
					data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
					var chunk map[string]any
					if !ok || json.Unmarshal(data, &chunk) != nil {
						continue
					}
					if chunk["usage"] == nil {
						delete(chunk, "usage")
					}
					delete(chunk, "id")
					delete(chunk, "created")
					chunks = append(chunks, chunk)
				}
				return chunks
			}
			same := func(a, b []map[string]any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
			without := stream(plain, "")
			if got := stream(asking, ""); !same(got, without) {
				t.Errorf("got  %v\nwant %v", got, without)
			}
			if got := stream(asking, `,"stream_options":{"include_usage":false}`); !same(got, without) {
				t.Errorf("got  %v\nwant %v", got, without)
			}
			const wish = `,"stream_options":{"include_usage":true}`
			with := stream(plain, wish)
			if got := stream(asking, wish); !same(got, with) || len(with) != len(without)+1 {
				t.Errorf("got  %v\nwant %v", got, with)
			}
			wait(t, "all are counted", func() bool { return plain.stats().Total.Requests == 2 && asking.stats().Total.Requests == 3 })
			one, all := plain.stats().Total, asking.stats().Total
			if one.WithoutUsage != 1 || all.WithoutUsage != 0 || all.Tokens.Output != 3*one.Tokens.Output || all.Tokens.Input != 3*one.Tokens.Input {
				t.Errorf("one asked stream %+v, three of all kinds %+v", one, all)
			}
		})
	}
}

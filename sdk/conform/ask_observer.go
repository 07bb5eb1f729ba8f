package conform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// observerAsker tells of requests: an observer's only answer is that it took them.
func observerAsker(s *session) *asker {
	o := s.plugin.Observer()
	return &asker{
		kind: sdk.KindObserver, timeout: 5 * time.Second, service: &proto.Observer_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			return nil, o.Observe(ctx, [][]byte{record(n), record(n + 1)})
		},
		large: func(ctx context.Context, bytes int) error {
			return o.Observe(ctx, [][]byte{fmt.Appendf(nil, `{"v":1,"id":"d-large","prompt":{"prompt":%q}}`, strings.Repeat("a word ", bytes/7))})
		},
		odd: map[string]func(context.Context) error{
			"no requests":              func(ctx context.Context) error { return o.Observe(ctx, nil) },
			"a record that is no JSON": func(ctx context.Context) error { return o.Observe(ctx, [][]byte{[]byte("{\x00\xff")}) },
			"a record of nothing":      func(ctx context.Context) error { return o.Observe(ctx, [][]byte{[]byte("{}")}) },
			"a record of a later router": func(ctx context.Context) error {
				return o.Observe(ctx, [][]byte{[]byte(`{"v":9,"news":[1,{"a":null}]}`)})
			},
		},
	}
}

// record is a decision record, as docs/decisions.md has it.
func record(n int) []byte {
	n %= questions
	return fmt.Appendf(nil, `{"v":1,"id":"d-conform-%d","time":"2026-01-0%dT00:00:00Z","config":"c","facts":{"model":"m-%d","endpoint":"chat","stream":%t},`+
		`"attempts":[{"channel":"channel-%d","model":"m-%d","start_ms":1,"class":"ok","status":200,"duration_ms":20}],`+
		`"outcome":{"status":%d,"complete":true,"channel":"channel-%d","model":"m-%d","duration_ms":21.5,"tokens":{"input":%d,"output":7},"cost_dollars":0.01}}`,
		n, n+1, n%2, n%2 == 0, n%4, n%2, []int{200, 429}[n%2], n%4, n%2, 10*n)
}

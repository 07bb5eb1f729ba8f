package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// prompts of the usual questions.
var prompts = []string{"", `{"messages":[{"role":"user","content":"hello"}]}`, `{"input":["a","b"]}`, `{"prompt":"hello, my number is 4111 1111 1111 1111"}`}

func guardAsker(s *session) *asker {
	g := s.plugin.Guard()
	ask := func(ctx context.Context, prompt []byte) error {
		_, err := g.Inspect(ctx, request(0), prompt)
		return err
	}
	return &asker{
		kind: sdk.KindGuard, timeout: 50 * time.Millisecond, service: &proto.Guard_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			r, err := g.Inspect(ctx, request(n%questions), []byte(prompts[n%len(prompts)]))
			if r.Rejection != nil {
				r.Rejection.Message = "" // for people
			}
			if err == nil {
				err = operations(r.Patch)
			}
			return r, err
		},
		large: func(ctx context.Context, bytes int) error {
			b, err := json.Marshal(map[string]any{"prompt": strings.Repeat("a word ", bytes/7)})
			if err != nil {
				return err
			}
			return ask(ctx, b)
		},
		odd: map[string]func(context.Context) error{
			"a prompt that is no JSON":        func(ctx context.Context) error { return ask(ctx, []byte("{\x00\xff")) },
			"a prompt that is no object":      func(ctx context.Context) error { return ask(ctx, []byte("[1, null]")) },
			"messages that are none":          func(ctx context.Context) error { return ask(ctx, []byte(`{"messages":[null,5,{"content":[{}]}]}`)) },
			"a prompt of 1,000 levels":        func(ctx context.Context) error { return ask(ctx, deep(1000)) },
			"a request of nothing, unasked":   func(ctx context.Context) error { _, err := g.Inspect(ctx, sdk.Request{}, nil); return err },
			"a content that is no valid text": func(ctx context.Context) error { return ask(ctx, []byte(`{"prompt":"\ud800"}`)) },
		},
	}
}

func deep(levels int) []byte {
	return fmt.Appendf(nil, `{"messages":%s%s}`, strings.Repeat("[", levels), strings.Repeat("]", levels))
}

// operations says what is wrong with a patch, whatever it is applied to.
func operations(patch []byte) error {
	if patch == nil {
		return nil
	}
	var ops []struct{ Op, Path, From string }
	if err := json.Unmarshal(patch, &ops); err != nil {
		return fmt.Errorf("the patch is no list of operations: %w", err)
	}
	for _, o := range ops {
		switch o.Op {
		case "add", "remove", "replace", "move", "copy", "test":
		default:
			return fmt.Errorf("the patch has the operation %.40q, which RFC 6902 has not", o.Op)
		}
		for _, path := range []string{o.Path, o.From} {
			if path != "" && path[0] != '/' {
				return fmt.Errorf("the patch has the path %.80q, which is no JSON pointer", path)
			}
		}
	}
	return nil
}

package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// asker asks a plugin as one of its kinds.
type asker struct {
	kind sdk.Kind
	// usual asks an ordinary question. There are as many as questions: the
	// n-th is equal to the (n+questions)-th, and so should be the answers.
	// What is for people is not in an answer.
	usual func(ctx context.Context, n int) (any, error)
	// large asks with so many bytes in a place where there may be many.
	large func(ctx context.Context, bytes int) error
	// odd questions are well-formed and make little sense. They may fail.
	odd map[string]func(ctx context.Context) error
	// timeout is that of the kind's step in the default pipeline.
	timeout time.Duration
	// waits: the plugin asks upstream, and so may take its time.
	waits   bool
	service *grpc.ServiceDesc
}

const questions = 8

// newAsker is nil for a kind that the kit does not know.
func newAsker(kind sdk.Kind, s *session) *asker {
	switch kind {
	case sdk.KindSelector:
		return selectorAsker(s)
	case sdk.KindPrechecker:
		return precheckerAsker(s)
	case sdk.KindProber:
		return proberAsker(s)
	case sdk.KindCache:
		return cacheAsker(s)
	case sdk.KindAdapter:
		return adapterAsker(s)
	case sdk.KindGuard:
		return guardAsker(s)
	case sdk.KindObserver:
		return observerAsker(s)
	default:
		return nil
	}
}

// text is an answer to be compared.
func text(answer any) string {
	b, err := json.Marshal(answer)
	if err != nil {
		return fmt.Sprintf("%+v", answer)
	}
	return string(b)
}

// channels of the usual questions.
func channelNamed(n int) *sdk.Channel {
	return &sdk.Channel{
		Name: fmt.Sprintf("channel-%d", n), Provider: "conform", BaseURL: fmt.Sprintf("https://c%d.example/v1", n),
		Region: []string{"eu-west", "us-east", ""}[n%3], Tags: []string{"conform"},
	}
}

func precheckerAsker(s *session) *asker {
	p := s.plugin.Prechecker()
	ask := func(ctx context.Context, c sdk.Channel, model string) (any, error) {
		a, err := p.Check(ctx, c, model)
		return struct {
			Available bool
			Lease     sdk.Lease
		}{a.Available, a.Lease}, err
	}
	return &asker{
		kind: sdk.KindPrechecker, timeout: 2 * time.Second, waits: true, service: &proto.Prechecker_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) { return ask(ctx, *channelNamed(n % 4), "m-1") },
		large: func(ctx context.Context, bytes int) error {
			_, err := ask(ctx, withSettings(bytes), "m-1")
			return err
		},
		odd: s.badUpstreams(func(ctx context.Context) error { _, err := ask(ctx, sdk.Channel{}, ""); return err }),
	}
}

func proberAsker(s *session) *asker {
	p := s.plugin.Prober()
	ask := func(ctx context.Context, c sdk.Channel, models []string) (any, error) {
		h, err := p.Probe(ctx, c, models)
		h.Reason = "" // for people
		return h, err
	}
	return &asker{
		kind: sdk.KindProber, timeout: 10 * time.Second, waits: true, service: &proto.Prober_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			return ask(ctx, *channelNamed(n % 4), []string{"m-1", "m-2"}[:n%3])
		},
		large: func(ctx context.Context, bytes int) error {
			_, err := ask(ctx, withSettings(bytes), []string{"m-1"})
			return err
		},
		odd: s.badUpstreams(func(ctx context.Context) error { _, err := ask(ctx, sdk.Channel{}, nil); return err }),
	}
}

func withSettings(bytes int) sdk.Channel {
	c := *channelNamed(0)
	c.Settings = map[string]string{"header.x-large": string(make([]byte, bytes))}
	return c
}

// badUpstreams asks while the upstream is of no use in each of its ways.
func (s *session) badUpstreams(ask func(context.Context) error) map[string]func(context.Context) error {
	names := map[int32]string{answers: "an empty channel", babbles: "an upstream that answers 503 and no JSON",
		floods: "an upstream that answers 8 MiB", refuses: "an upstream that is not reached"}
	odd := make(map[string]func(context.Context) error)
	for mode, name := range names {
		odd[name] = func(ctx context.Context) error {
			s.upstream.mode.Store(mode)
			defer s.upstream.mode.Store(answers)
			return ask(ctx)
		}
	}
	return odd
}

// chatOf is a request as translators get it.
func chatOf(model string, stream bool) []byte {
	return fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"Hello"}],"stream":%v}`, model, stream)
}

var endpoints = []sdk.Endpoint{
	sdk.Chat, sdk.Completions, sdk.Embeddings, sdk.Responses, sdk.Models, sdk.Speech, sdk.Rerank, sdk.ImageGeneration,
}

func adapterAsker(s *session) *asker {
	p := s.plugin.Adapter()
	ask := func(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (any, error) {
		a, err := p.Prepare(ctx, c, model, e, stream)
		if sdk.IsUnsupported(err) {
			return "unsupported", nil // an answer like others
		}
		if a.Auth.Kind == sdk.AuthMinted {
			a.Auth.Value, a.Auth.Expires, a.Lease = "", time.Time{}, sdk.Lease{} // new each time
		}
		if err != nil || a.Codec != sdk.CodecOwn || e != sdk.Chat {
			return a, err
		}
		body, err := p.TranslateRequest(ctx, c, model, chatOf(model, stream))
		if err == nil && len(body) == 0 {
			err = errors.New("it translates a chat into nothing")
		}
		return []any{a, string(body)}, err
	}
	translate := func(do func(ctx context.Context, c sdk.Channel) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, *channelNamed(0)) } // unsupported where it translates nothing
	}
	return &asker{
		kind: sdk.KindAdapter, timeout: 5 * time.Second, service: &proto.Adapter_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			e, model := endpoints[n%questions], "m-1"
			if e == sdk.Models {
				model = ""
			}
			return ask(ctx, *channelNamed(n % 2), model, e, n%2 == 0)
		},
		large: func(ctx context.Context, bytes int) error {
			_, err := ask(ctx, withSettings(bytes), "m-1", sdk.Chat, false)
			return err
		},
		odd: map[string]func(context.Context) error{
			"an empty channel": func(ctx context.Context) error { _, err := ask(ctx, sdk.Channel{}, "", sdk.Chat, false); return err },
			"an endpoint that nobody has": func(ctx context.Context) error {
				_, err := ask(ctx, *channelNamed(0), "m-1", "telepathy", false)
				return err
			},
			"a request that is no chat": translate(func(ctx context.Context, c sdk.Channel) error {
				_, err := p.TranslateRequest(ctx, c, "m-1", []byte(`[null,"\u0000"]`))
				return err
			}),
			"an answer that is none": translate(func(ctx context.Context, c sdk.Channel) error {
				_, err := p.TranslateAnswer(ctx, c, "m-1", sdk.UpstreamAnswer{Status: 503, Body: []byte("<html>\xff")})
				return err
			}),
			"a stream of noise": translate(func(ctx context.Context, c sdk.Channel) error {
				_, err := p.TranslateStream(ctx, c, "m-1", sdk.StreamPiece{Data: []byte("\x00\xff\n\n}{"), State: []byte("{\xfe"), End: true})
				return err
			}),
			"a base URL that is none": func(ctx context.Context) error {
				_, err := ask(ctx, sdk.Channel{Name: "c", BaseURL: "://\u0000"}, "m-1", sdk.Chat, true)
				return err
			},
		},
	}
}

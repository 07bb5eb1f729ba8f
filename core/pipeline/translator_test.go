package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// fluent is an adapter that translates, and takes its time.
type fluent struct {
	sdk.Translator
	takes time.Duration
	// down says how many calls find no process.
	down *atomic.Int64
}

func (f fluent) wait(ctx context.Context) error {
	if f.down != nil && f.down.Add(-1) >= 0 {
		return status.Error(codes.Unavailable, "its process ended during the call")
	}
	select {
	case <-time.After(f.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f fluent) TranslateRequest(ctx context.Context, _ sdk.Channel, _ string, chat []byte) ([]byte, error) {
	return chat, f.wait(ctx)
}

func (f fluent) TranslateAnswer(ctx context.Context, _ sdk.Channel, _ string, a sdk.UpstreamAnswer) ([]byte, error) {
	return a.Body, f.wait(ctx)
}

func (f fluent) TranslateStream(ctx context.Context, _ sdk.Channel, _ string, p sdk.StreamPiece) (sdk.Chunks, error) {
	return sdk.Chunks{State: p.Data}, f.wait(ctx)
}

// An adapter that translates has to be granted to see what is said, and gets the
// call step's time for each call.
func TestTranslatorsAreGrantedThePromptAndTimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _, _, _ := preparing("a")
		plugin := Plugin{Adapter: r.adapter, Instance: r}
		plugins := func(*config.Plugin) Plugin { return plugin }
		a := r.board.View().Channel("a")
		if _, err := preparerOf(r.cfg, plugins).Translator(a); err == nil || !strings.Contains(err.Error(), "its adapter translates nothing") {
			t.Errorf("an adapter that does not: %v", err)
		}
		plugin.Adapter = fluent{}
		if _, err := preparerOf(r.cfg, plugins).Translator(a); err == nil || !strings.Contains(err.Error(), `add grants = ["prompt"]`) {
			t.Errorf("one without the grant: %v", err)
		}
		plugin.Grants = []string{sdk.NeedPrompt}
		for takes, ok := range map[time.Duration]bool{150 * time.Millisecond: true, time.Hour: false} {
			plugin.Adapter = fluent{takes: takes}
			tr, err := preparerOf(r.cfg, plugins).Translator(a)
			if err != nil {
				t.Fatal(err)
			}
			_, asked := tr.TranslateRequest(t.Context(), a.Info, "m", nil)
			_, answered := tr.TranslateAnswer(t.Context(), a.Info, "m", sdk.UpstreamAnswer{})
			_, streamed := tr.TranslateStream(t.Context(), a.Info, "m", sdk.StreamPiece{})
			for _, err := range []error{asked, answered, streamed} {
				if (err == nil) != ok || !ok && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("one that takes %v: %v", takes, err)
				}
			}
		}
	})
}

// One that is started anew, or that a reload has replaced, goes on where the other
// was.
func TestTranslatorsAreWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _, _, _ := preparing("a")
		down := new(atomic.Int64)
		p := preparerOf(r.cfg, func(*config.Plugin) Plugin {
			return Plugin{Adapter: fluent{down: down}, Instance: r, Grants: []string{sdk.NeedPrompt}}
		})
		tr, err := p.Translator(r.board.View().Channel("a"))
		if err != nil {
			t.Fatal(err)
		}
		down.Store(3)
		if out, err := tr.TranslateStream(t.Context(), sdk.Channel{}, "m", sdk.StreamPiece{Data: []byte("x")}); err != nil || string(out.State) != "x" {
			t.Errorf("one that is back after 3 calls: %q, %v", out, err)
		}
		down.Store(1 << 40)
		if _, err := tr.TranslateAnswer(t.Context(), sdk.Channel{}, "m", sdk.UpstreamAnswer{}); status.Code(err) != codes.Unavailable {
			t.Errorf("one that does not come back: %v", err)
		}
		p.Apply(r.cfg, func(*config.Plugin) Plugin {
			return Plugin{Adapter: fluent{}, Instance: t, Grants: []string{sdk.NeedPrompt}}
		})
		if out, err := tr.TranslateRequest(t.Context(), sdk.Channel{}, "m", []byte("y")); err != nil || string(out) != "y" {
			t.Errorf("after a reload: %q, %v", out, err)
		}
	})
}

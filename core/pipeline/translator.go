package pipeline

import (
	"context"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Translator is a channel's adapter, where that translates by itself: it sees
// what is said, so it has to be granted that.
func (p *Preparer) Translator(c *board.Channel) (sdk.Translator, error) {
	if _, err := p.fluent(c); err != nil {
		return nil, err
	}
	return &translator{preparer: p, channel: c}, nil
}

// fluent is a channel's adapter, as it runs now, if it may translate.
func (p *Preparer) fluent(c *board.Channel) (sdk.Translator, error) {
	a, err := p.adapter(c)
	if err != nil {
		return nil, err
	}
	t, ok := a.Adapter.(sdk.Translator)
	if !ok {
		return nil, fmt.Errorf("channel %s: its adapter translates nothing", c.Config.Name)
	}
	if !a.Granted(sdk.NeedPrompt) {
		return nil, fmt.Errorf("channel %s: its adapter %s translates what is said, and is not granted to see it: add grants = [%q] to its block",
			c.Config.Name, a.Manifest.Name, sdk.NeedPrompt)
	}
	return t, nil
}

// translator asks a channel's adapter, whichever process is it by then: it keeps
// nothing between calls, so one that was started anew goes on where the other was.
type translator struct {
	sdk.Adapter // never asked
	preparer    *Preparer
	channel     *board.Channel
}

// translated asks until there is a process that answers, for as long as the call
// step allows.
func translated[T any](ctx context.Context, t *translator, ask func(context.Context, sdk.Translator) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, t.preparer.adapters.Load().timeout)
	defer cancel()
	return patient(ctx, adapterBackoff, adapterBackoff, func() (out T, err error) {
		now, err := t.preparer.fluent(t.channel)
		if err != nil {
			return out, err
		}
		return ask(ctx, now)
	})
}

// TranslateRequest is part of sdk.Translator.
func (t *translator) TranslateRequest(ctx context.Context, c sdk.Channel, model string, chat []byte) ([]byte, error) {
	return translated(ctx, t, func(ctx context.Context, now sdk.Translator) ([]byte, error) {
		return now.TranslateRequest(ctx, c, model, chat)
	})
}

// TranslateAnswer is part of sdk.Translator.
func (t *translator) TranslateAnswer(ctx context.Context, c sdk.Channel, model string, a sdk.UpstreamAnswer) ([]byte, error) {
	return translated(ctx, t, func(ctx context.Context, now sdk.Translator) ([]byte, error) {
		return now.TranslateAnswer(ctx, c, model, a)
	})
}

// TranslateStream is part of sdk.Translator.
func (t *translator) TranslateStream(ctx context.Context, c sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	return translated(ctx, t, func(ctx context.Context, now sdk.Translator) (sdk.Chunks, error) {
		return now.TranslateStream(ctx, c, model, p)
	})
}

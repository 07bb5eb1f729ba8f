package upstream

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// WarmUp opens a connection to each of the first n channels, by priority and
// then as they are declared, so that their first requests make no handshake. It
// returns when all are there, or their time is over. What fails is no more than
// slower.
func (d *Dispatcher) WarmUp(ctx context.Context, n int) {
	v := d.board.View()
	var channels []*board.Channel
	for _, c := range v.Channels {
		if c.Config.Off == "" {
			channels = append(channels, c)
		}
	}
	slices.SortStableFunc(channels, func(a, b *board.Channel) int { return cmp.Compare(a.Config.Priority, b.Config.Priority) })
	var all sync.WaitGroup
	for _, c := range channels[:min(n, len(channels))] {
		model := ""
		for _, t := range v.Targets {
			if t.Channel == c {
				model = t.Upstream
				break
			}
		}
		all.Go(func() {
			begun := time.Now()
			how, err := d.warm(ctx, c, model)
			if err != nil {
				how = scrub(err.Error(), c.Config.Secret.Reveal())
			}
			d.log.Debug("channel warmed up", "channel", c.Config.Name, "how", how, "took", time.Since(begun))
		})
	}
	all.Wait()
}

// warm asks for the head of the root of where chat requests go: of all requests
// the one that can't cost anything, needs no credential, and leaves a connection
// that net/http keeps. Its answer does not matter.
func (d *Dispatcher) warm(ctx context.Context, c *board.Channel, model string) (protocol string, err error) {
	ctx, cancel := bounded(ctx, c.Config.Timeouts.Connect)
	defer cancel()
	p, err := d.preparer.Prepare(ctx, c, model, sdk.Chat, false)
	if err != nil {
		return "", err
	}
	to, err := d.pools.route(p.URL, c.Config)
	if err != nil {
		return "", err
	}
	place, err := to.pool.take(ctx, 0)
	if err != nil {
		return "", err
	}
	defer place.give()
	root := &url.URL{Scheme: to.url.Scheme, Host: to.url.Host, Path: "/"}
	req := &http.Request{
		Method: http.MethodHead, URL: root, Host: root.Host, Header: http.Header{"User-Agent": {agent}},
	}
	var info connInfo
	answer, err := to.pool.send(ctx, req, &info)
	if err != nil {
		return "", err
	}
	return answer.protocol, answer.Body.Close()
}

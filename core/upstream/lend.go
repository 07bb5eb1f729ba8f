package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// maxLent is the longest answer that a plugin gets, in bytes.
const maxLent = 8 << 20

// Do sends a plugin's request to a channel. The URL is the adapter's, the
// credential is added here. Whether the plugin may do so is for the caller to
// say, as is how often. The errors are those of [sdk.Upstream].
func (d *Dispatcher) Do(ctx context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	none := sdk.UpstreamResponse{}
	c := d.board.View().Channel(channel)
	switch {
	case c == nil:
		return none, status.Errorf(codes.Unavailable, "there is no channel %q", channel)
	case c.Config.Off != "":
		return none, status.Errorf(codes.Unavailable, "channel %q is off: %s", channel, c.Config.Off)
	case r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodPost:
		return none, status.Errorf(codes.PermissionDenied, "a plugin may GET and POST, not %q", r.Method)
	}
	ctx, cancel := bounded(ctx, c.Config.Timeouts.Read)
	defer cancel()
	for renewed := false; ; renewed = true {
		p, err := d.preparer.Prepare(ctx, c, r.Model, r.Endpoint, false)
		if sdk.IsUnsupported(err) {
			return none, err
		}
		if err != nil {
			return none, lentError(ctx, fmt.Errorf("channel %q: %w", channel, err))
		}
		out, err := d.lend(ctx, c, p, r)
		if err == nil && out.Status == http.StatusUnauthorized && expires(&p.Auth) && !renewed {
			d.renew(c)
			continue
		}
		if err != nil {
			text := scrub(err.Error(), secretsOf(c.Config, p)...)
			if status.Code(err) == codes.ResourceExhausted {
				return none, status.Error(codes.ResourceExhausted, status.Convert(err).Message())
			}
			return none, lentError(ctx, errors.New(text))
		}
		return out, nil
	}
}

func (d *Dispatcher) lend(ctx context.Context, c *board.Channel, p *sdk.Prepared, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	var out sdk.UpstreamResponse
	to, err := d.pools.route(p.URL, c.Config)
	if err != nil {
		return out, err
	}
	sent := parcel{url: to.url, header: forUpstream(nil, nil, "", p)}
	req := &http.Request{Method: http.MethodGet, Header: sent.header}
	if r.Method == http.MethodPost {
		body, err := d.lentBody(ctx, c, p, &r)
		if err != nil {
			return out, err
		}
		lent := &source{data: body}
		req.Method, req.Body = http.MethodPost, &reader{source: lent}
		req.ContentLength = int64(len(body))
		req.Header["Content-Type"] = []string{"application/json"}
		sent.data = body
	}
	secret, err := d.credential(ctx, c.Config, &p.Auth)
	if err != nil {
		return out, err
	}
	if err = authorize(req.Method, &sent, &p.Auth, secret); err != nil {
		return out, err
	}
	req.URL = sent.url
	place, err := to.pool.take(ctx, c.Config.Timeouts.Pool)
	if err != nil {
		return out, err
	}
	defer place.give()
	begun := time.Now()
	var info connInfo
	answer, err := to.pool.send(ctx, req, &info)
	if err != nil {
		return out, err
	}
	defer answer.Body.Close()
	out.Status, out.Latency, out.Headers = answer.StatusCode, time.Since(begun), forPlugin(answer.Header)
	limit := int64(maxLent)
	if r.MaxBytes > 0 {
		limit = min(limit, r.MaxBytes)
	}
	if out.Body, err = io.ReadAll(io.LimitReader(answer.Body, limit)); err != nil {
		return out, err
	}
	if r.MaxBytes <= 0 || r.MaxBytes > maxLent {
		if n, _ := io.ReadFull(answer.Body, make([]byte, 1)); n > 0 {
			return out, status.Errorf(codes.ResourceExhausted, "the answer is longer than %d bytes", maxLent)
		}
	}
	return out, nil
}

// lentBody is a plugin's body as the channel takes it. A chat is asked for in
// OpenAI's words, whatever the channel speaks.
func (d *Dispatcher) lentBody(ctx context.Context, c *board.Channel, p *sdk.Prepared, r *sdk.UpstreamRequest) ([]byte, error) {
	body := r.Body
	to, err := d.formatOf(ctx, c, r.Model, p, r.Endpoint)
	if err != nil {
		return nil, err
	}
	if r.Endpoint == sdk.Chat && to != nil && to != openai.Format && to.Out != nil {
		asked, err := openai.ReadRequest(sdk.Chat, body)
		if err != nil {
			return nil, err
		}
		q, err := openai.ReadHub(body, &asked)
		if err != nil {
			return nil, err
		}
		if body, err = to.Out.Request(nil, q, new(hub.Warnings)); err != nil {
			return nil, err
		}
	}
	edits, err := appendEdits(nil, p.Edits)
	if err != nil || len(edits) == 0 {
		return body, err
	}
	return rawjson.Splice(nil, body, edits)
}

func lentError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return status.Error(codes.Canceled, err.Error())
	}
	return status.Error(codes.Unavailable, err.Error())
}

package dev

import (
	"context"
	"fmt"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// watch puts itself before the project's plugins.
func (s *session) watch(c *config.Plugin, p pipeline.Plugin) pipeline.Plugin {
	if len(c.Command) == 0 || !s.Project.has(c.Command[0]) {
		return p
	}
	w := watched{plugin: p, config: c, tell: s.tell, lease: s.lease(c)}
	p.Selector, p.Prechecker, p.Prober, p.Guard, p.Adapter = w, w, w, w, adapter{w}
	p.Cache = cache{p.Cache, w}
	return p
}

// watched is a plugin each call to which is told.
type watched struct {
	plugin pipeline.Plugin
	config *config.Plugin
	tell   *teller
	lease  sdk.Lease // of answers that name none
}

// done tells of a call.
func (w watched) done(method string, began time.Time, err error, lines ...string) {
	if err != nil {
		lines = append(lines[:min(1, len(lines))], "error    "+err.Error())
	}
	w.tell.call(method, w.config.Address(), time.Since(began), lines)
}

// Select is part of pipeline.Selector.
func (w watched) Select(ctx context.Context, g *host.Generation, r sdk.Request, live []host.Live) (sdk.Plan, error) {
	began := time.Now()
	plan, err := w.plugin.Selector.Select(ctx, g, r, live)
	model := r.Model
	if len(live) > 0 {
		model = g.Candidates[live[0].Ref].Model
	}
	w.done("select", began, err, append([]string{factsLine(w.plugin.Manifest, model, r)}, planLines(plan, live, w.lease)...)...)
	return plan, err
}

// Check is part of pipeline.Prechecker.
func (w watched) Check(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error) {
	began := time.Now()
	a, err := w.plugin.Prechecker.Check(ctx, c, model)
	w.done("check", began, err, "target   "+c.Name+"/"+model, "answer   "+availability(a), leaseLine(a.Lease, w.lease))
	return a, err
}

// Probe is part of pipeline.Prober.
func (w watched) Probe(ctx context.Context, c sdk.Channel, declared []string) (sdk.Health, error) {
	began := time.Now()
	h, err := w.plugin.Prober.Probe(ctx, c, declared)
	w.done("probe", began, err, "channel  "+c.Name, "answer   "+health(h), leaseLine(h.Lease, w.lease))
	return h, err
}

// Inspect is part of pipeline.Guard. The prompt is not told.
func (w watched) Inspect(ctx context.Context, r sdk.Request, prompt []byte) (host.Ruling, error) {
	began := time.Now()
	ruling, err := w.plugin.Guard.Inspect(ctx, r, prompt)
	lines := []string{factsLine(w.plugin.Manifest, r.Model, r)}
	if len(prompt) > 0 {
		lines = append(lines, fmt.Sprintf("prompt   %d bytes, so the ruling has no lease", len(prompt)))
	}
	w.done("inspect", began, err, append(lines, rulingLines(ruling, len(prompt) > 0, w.lease)...)...)
	return ruling, err
}

// adapter and cache have methods that others of the kinds have too.
type adapter struct{ watched }

// Prepare is part of sdk.Adapter.
func (a adapter) Prepare(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	began := time.Now()
	p, err := a.plugin.Adapter.Prepare(ctx, c, model, e, stream)
	a.done("prepare", began, err, preparedLines(c, model, e, p)...)
	return p, err
}

// TranslateRequest is part of sdk.Translator. What is said is not told.
func (a adapter) TranslateRequest(ctx context.Context, c sdk.Channel, model string, chat []byte) ([]byte, error) {
	began := time.Now()
	body, err := a.translator().TranslateRequest(ctx, c, model, chat)
	a.done("translate_request", began, err, fmt.Sprintf("request  %d bytes of chat", len(chat)), fmt.Sprintf("answer   %d bytes", len(body)))
	return body, err
}

// TranslateAnswer is part of sdk.Translator.
func (a adapter) TranslateAnswer(ctx context.Context, c sdk.Channel, model string, answer sdk.UpstreamAnswer) ([]byte, error) {
	began := time.Now()
	body, err := a.translator().TranslateAnswer(ctx, c, model, answer)
	a.done("translate_answer", began, err, fmt.Sprintf("answer   %d, %d bytes", answer.Status, len(answer.Body)), fmt.Sprintf("chat     %d bytes", len(body)))
	return body, err
}

// TranslateStream is part of sdk.Translator.
func (a adapter) TranslateStream(ctx context.Context, c sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	began := time.Now()
	out, err := a.translator().TranslateStream(ctx, c, model, p)
	a.done("translate_stream", began, err, fmt.Sprintf("piece    %d bytes, end %v", len(p.Data), p.End), fmt.Sprintf("chunks   %d, state of %d bytes", len(out.Events), len(out.State)))
	return out, err
}

// translator is the plugin's: the router's half of an adapter always is one.
func (a adapter) translator() sdk.Translator { return a.plugin.Adapter.(sdk.Translator) }

type cache struct {
	sdk.Cache
	watched watched
}

// Get is part of sdk.Cache.
func (c cache) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	began := time.Now()
	e, ok, err := c.Cache.Get(ctx, namespace, key)
	answer := "nothing"
	if ok {
		answer = entry(e)
	}
	c.watched.done("get", began, err, "key      "+namespace+" "+short(key), "answer   "+answer)
	return e, ok, err
}

// Put is part of sdk.Cache.
func (c cache) Put(ctx context.Context, entries ...sdk.Entry) error {
	began := time.Now()
	err := c.Cache.Put(ctx, entries...)
	var lines []string
	for _, e := range entries {
		lines = append(lines, "entry    "+e.Namespace+" "+short(e.Key)+": "+entry(e))
	}
	c.watched.done("put", began, err, lines...)
	return err
}

// Delete is part of sdk.Cache.
func (c cache) Delete(ctx context.Context, namespace string, keys ...string) error {
	began := time.Now()
	err := c.Cache.Delete(ctx, namespace, keys...)
	var lines []string
	for _, k := range keys {
		lines = append(lines, "key      "+namespace+" "+short(k))
	}
	c.watched.done("delete", began, err, lines...)
	return err
}

package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// A row is one gain. Times are of one request, or of one round of checks.
type row struct {
	name, what  string
	claim       string // the design note's
	naive, ours time.Duration
	beside      string // what else was counted
}

func (r row) gain() float64 { return 100 * (1 - float64(r.ours)/float64(r.naive)) }

// A bench has what the measurements share.
type bench struct {
	ctx    context.Context
	binary string
	world  *world
	n      int // requests of a measurement

	running []interface{ stop() }
}

// measurements in the order of the table.
var measurements = []func(*bench) (row, error){
	(*bench).health, (*bench).statusLine, (*bench).failures, (*bench).selection,
	(*bench).connections, (*bench).repeats, (*bench).streams, (*bench).streamsBehindFailures,
}

func (b *bench) upstream(m manner) (*upstream, error) {
	u, err := b.world.start(m)
	if err == nil {
		b.running = append(b.running, u)
	}
	return u, err
}

func (b *bench) upstreams(all ...manner) ([]*upstream, error) {
	var us []*upstream
	for _, m := range all {
		u, err := b.upstream(m)
		if err != nil {
			return nil, err
		}
		us = append(us, u)
	}
	return us, nil
}

func (b *bench) router(hcl ...string) (*router, error) {
	r, err := startRouter(b.ctx, b.binary, b.world, strings.Join(hcl, ""))
	if err == nil {
		b.running = append(b.running, r)
	}
	return r, err
}

// clear ends what a measurement began, the last first.
func (b *bench) clear() {
	for i := len(b.running) - 1; i >= 0; i-- {
		b.running[i].stop()
	}
	b.running = nil
}

// mean of n turns.
func mean(n int, turn func(i int) error) (time.Duration, error) {
	began := time.Now()
	for i := range n {
		if err := turn(i); err != nil {
			return 0, err
		}
	}
	return time.Since(began) / time.Duration(n), nil
}

// lost is what a turn takes longer than a plain one, which is measured before
// it: below a hundredth of a round trip it can't be told from nothing.
func (b *bench) lost(plain, turn func(i int) error) (time.Duration, error) {
	least, err := mean(b.n, plain)
	if err != nil {
		return 0, err
	}
	took, err := mean(b.n, turn)
	return max(took-least, b.world.trip/100), err
}

const (
	channels = 16 // that are checked
	// pingWords is what a health check by chat has the model say.
	pingWords = 5
)

// health: one round of checks over all channels, with no connection open yet.
// The naive way asks each for a chat, one after the other.
func (b *bench) health() (row, error) {
	out := row{name: "health checks", what: fmt.Sprintf("first check of %d channels", channels), claim: "90 %"}
	all, err := b.upstreams(make([]manner, channels)...)
	if err != nil {
		return out, err
	}
	spent := func() (tokens int64) {
		for _, u := range all {
			tokens += u.tokens.Swap(0)
		}
		return tokens
	}
	c := b.world.client(true)
	took, err := mean(1, func(int) error {
		for _, u := range all {
			if err := ask(c, u.base, chatPath, chat("m0", "ping", pingWords)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	out.naive = took
	tokens := spent()

	var hcl strings.Builder
	for i, u := range all {
		hcl.WriteString(channel(fmt.Sprintf("c%d", i), u))
	}
	for _, u := range all {
		u.answered.Store(0)
		u.lag.opened.Store(0)
	}
	if _, err := b.router(hcl.String()); err != nil {
		return out, err
	}
	if out.ours, err = checked(b.ctx, b.world, all); err != nil {
		return out, err
	}
	out.beside = fmt.Sprintf("tokens generated: %d, %d", tokens, spent())
	return out, nil
}

// statusLine: what the failed try costs where the first of two channels fails
// each request with a long error page, and nothing is remembered: each request
// is the first of its model.
func (b *bench) statusLine() (row, error) {
	return b.failing(row{
		name: "failed requests, first of their model", claim: "70 %",
		what: fmt.Sprintf("time lost to a 503 with %d KB in %d pieces", pageBytes>>10, pagePieces),
	}, func(i int) string { return b.world.names[i] })
}

// failures: the same with one model, where bans remember.
func (b *bench) failures() (row, error) {
	return b.failing(row{
		name: "failed requests of one model", claim: "70 %", what: "the same, with what is remembered of failures",
	}, func(int) string { return "m0" })
}

func (b *bench) failing(out row, model func(i int) string) (row, error) {
	us, err := b.upstreams(failing, healthy)
	if err != nil {
		return out, err
	}
	bad, good := us[0], us[1]
	c := b.world.client(true)
	tried := func(all ...*upstream) func(int) error {
		return func(i int) error {
			return oneAfterTheOther(c, all, chat(model(i), fmt.Sprint("naive ", i), 1))
		}
	}
	if err := tried(bad, good)(0); err != nil { // opens the connections
		return out, err
	}
	if out.naive, err = b.lost(tried(good), tried(bad, good)); err != nil {
		return out, err
	}
	naive := bad.requests.Swap(0)
	r, err := b.router(
		channel("bad", bad, "priority = 1"),
		channel("good", good, "priority = 2", `aliases = { plain = "m0" }`))
	if err != nil {
		return out, err
	}
	asked := func(model func(int) string) func(int) error {
		return func(i int) error { return ask(c, r.base, chatPath, chat(model(i), fmt.Sprint("ours ", i), 1)) }
	}
	out.ours, err = b.lost(asked(func(int) string { return "plain" }), asked(model))
	out.beside = fmt.Sprintf("failed tries: %d, %d", naive-1, bad.requests.Load()-1)
	return out, err
}

// selection: what finding the one of three channels that is up costs, with
// nothing known before. The naive way asks them one after the other, each time.
func (b *bench) selection() (row, error) {
	out := row{name: "selection", what: fmt.Sprintf("time to find the one of 3 channels that is up, mean of %d requests", b.n), claim: "60 %"}
	us, err := b.upstreams(down, down, healthy)
	if err != nil {
		return out, err
	}
	c, good := b.world.client(true), us[2]
	plain := func(i int) error { return ask(c, good.base, chatPath, chat("m0", fmt.Sprint("naive ", i), 1)) }
	if err := plain(0); err != nil { // opens the connection
		return out, err
	}
	if out.naive, err = b.lost(plain, func(i int) error {
		u, err := firstUp(c, us)
		if err != nil {
			return err
		}
		return ask(c, u.base, chatPath, chat("m0", fmt.Sprint("naive ", i), 1))
	}); err != nil {
		return out, err
	}
	checks := us[0].requests.Swap(0)
	hcl := `
pipeline "default" {
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`
	for i, u := range us {
		hcl += channel(fmt.Sprintf("c%d", i), u, `models = ["m0"]`, fmt.Sprintf("priority = %d", i+1))
	}
	// What is plain is asked of a router of its own: this one must know nothing.
	known, err := b.router(channel("c", good))
	if err != nil {
		return out, err
	}
	r, err := b.router(hcl)
	if err != nil {
		return out, err
	}
	ours := b.world.client(true)
	through := func(r *router) func(int) error {
		return func(i int) error { return ask(ours, r.base, chatPath, chat("m0", fmt.Sprint("ours ", i), 1)) }
	}
	out.ours, err = b.lost(through(known), through(r))
	out.beside = fmt.Sprintf("requests to the first channel: %d, %d", checks, us[0].requests.Load())
	return out, err
}

// connections: a request whose answer takes no time, with a new connection
// each, and with pooled ones.
func (b *bench) connections() (row, error) {
	out := row{name: "connections", what: "embedding over TLS", claim: "50-80 %"}
	u, err := b.upstream(healthy)
	if err != nil {
		return out, err
	}
	embed := func(c func() string, pool bool) (time.Duration, error) {
		client := b.world.client(pool)
		return mean(b.n, func(i int) error {
			return ask(client, c(), "/embeddings", fmt.Sprintf(`{"model":"m0","input":"text %d"}`, i))
		})
	}
	if out.naive, err = embed(func() string { return u.base }, false); err != nil {
		return out, err
	}
	opened := u.lag.conns.Swap(0)
	r, err := b.router(channel("c", u))
	if err != nil {
		return out, err
	}
	out.ours, err = embed(func() string { return r.base }, true)
	out.beside = fmt.Sprintf("connections opened: %d, %d", opened, u.lag.conns.Load())
	return out, err
}

// repeats: the same question again and again.
func (b *bench) repeats() (row, error) {
	out := row{name: "repeats", what: fmt.Sprintf("chat, one question asked %d times", b.n), claim: "60-90 %"}
	u, err := b.upstream(healthy)
	if err != nil {
		return out, err
	}
	question := func(base string) (time.Duration, error) {
		c := b.world.client(true)
		return mean(b.n, func(int) error { return ask(c, base, chatPath, chat("m0", "the same", 1)) })
	}
	if out.naive, err = question(u.base); err != nil {
		return out, err
	}
	tokens := u.tokens.Swap(0)
	r, err := b.router(channel("c", u), `
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "10m"
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`)
	if err != nil {
		return out, err
	}
	out.ours, err = question(r.base)
	out.beside = fmt.Sprintf("tokens generated: %d, %d", tokens, u.tokens.Load())
	return out, err
}

// streams: the time to the first word, against a way that collects the stream
// before it hands it on.
func (b *bench) streams() (row, error) {
	return b.streamed(row{name: "streams", what: fmt.Sprintf("first of %d words", words), claim: "30-50 %"}, healthy)
}

// streamsBehindFailures: the same where the first channel fails.
func (b *bench) streamsBehindFailures() (row, error) {
	return b.streamed(row{
		name: "streams behind a failing channel", what: fmt.Sprintf("first of %d words, each request the first of its model", words), claim: "30-50 %",
	}, failing, healthy)
}

func (b *bench) streamed(out row, manners ...manner) (row, error) {
	us, err := b.upstreams(manners...)
	if err != nil {
		return out, err
	}
	c := b.world.client(true)
	collected := func(i int) error {
		return oneAfterTheOther(c, us, stream(b.world.names[i], fmt.Sprint("naive ", i)))
	}
	if err := collected(0); err != nil { // opens the connections
		return out, err
	}
	if out.naive, err = mean(b.n, collected); err != nil {
		return out, err
	}
	var hcl strings.Builder
	for i, u := range us {
		hcl.WriteString(channel(fmt.Sprintf("c%d", i), u, fmt.Sprintf("priority = %d", i+1)))
	}
	r, err := b.router(hcl.String())
	if err != nil {
		return out, err
	}
	var sum time.Duration
	for i := range b.n {
		began := time.Now()
		at, err := firstWord(c, r.base, stream(b.world.names[i], fmt.Sprint("ours ", i)))
		if err != nil {
			return out, err
		}
		sum += at.Sub(began)
	}
	out.ours = sum / time.Duration(b.n)
	return out, nil
}

// checked waits until each upstream has listed its models, and is the time from the
// first connection that was opened to the last answer's arrival.
func checked(ctx context.Context, w *world, all []*upstream) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		first, last, left := int64(math.MaxInt64), int64(0), 0
		for _, u := range all {
			if u.answered.Load() == 0 {
				left++
				continue
			}
			first, last = min(first, u.lag.opened.Load()), max(last, u.answered.Load())
		}
		if left == 0 {
			return time.Duration(last-first) + w.trip/2, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d channels were not checked: %w", left, len(all), ctx.Err())
		}
	}
}

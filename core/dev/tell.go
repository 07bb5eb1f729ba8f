package dev

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// teller writes what happens, a thing at a time.
type teller struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
}

func newTeller(out io.Writer) *teller { return &teller{out: out, now: time.Now} }

func (t *teller) write(head string, lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", t.now().Format("15:04:05.000"), head)
	for _, l := range lines {
		fmt.Fprintf(&b, "              %s\n", l)
	}
	_, _ = io.WriteString(t.out, b.String()) // who looks on no more misses nothing
}

func (t *teller) say(format string, args ...any) { t.write(fmt.Sprintf(format, args...), nil) }

// problem is what has to be mended, and what goes on meanwhile.
func (t *teller) problem(err error, then string) {
	t.write(then, strings.Split(strings.TrimSpace(err.Error()), "\n"))
}

func (t *teller) call(method, plugin string, took time.Duration, lines []string) {
	t.write(fmt.Sprintf("%-8s %s  %s", method, plugin, round(took)), lines)
}

// request is one that has ended: it says where its plan came from, since most
// requests make no call.
func (t *teller) request(d *decision.Decision) {
	head := fmt.Sprintf("request  %s: %d in %s", d.Facts.Model, d.Outcome.Status, round(time.Duration(d.Outcome.Duration)))
	if d.Outcome.Channel != "" {
		head += fmt.Sprintf(", answered by %s/%s", d.Outcome.Channel, d.Outcome.Model)
	}
	if c := d.Choice; c != nil {
		head += "; " + planFrom(c)
	}
	t.write(head, nil)
}

func planFrom(c *decision.Choice) string {
	switch c.Source {
	case "asked":
		return "the selector was asked for the plan"
	case "fresh", "stale":
		return fmt.Sprintf("the plan is leased: %s, %s old", c.Source, round(time.Duration(c.Age)))
	default:
		return "the plan: " + c.Source
	}
}

// factsLine are the model and the facts that the plugin reads.
func factsLine(m sdk.Manifest, model string, r sdk.Request) string {
	line := "facts    model=" + model
	for _, f := range m.Reads {
		if f != sdk.FactModel {
			line += fmt.Sprintf(" %s=%v", f, fact(r, f))
		}
	}
	if len(m.Reads) == 0 {
		line += ", and it reads none"
	}
	return line
}

func fact(r sdk.Request, f sdk.Fact) any {
	switch f {
	case sdk.FactEndpoint:
		return r.Endpoint
	case sdk.FactStream:
		return r.Stream
	case sdk.FactSize:
		return r.Size
	case sdk.FactTokens:
		return r.Tokens
	case sdk.FactTools:
		return r.Tools
	case sdk.FactImages:
		return r.Images
	case sdk.FactJSON:
		return r.JSON
	case sdk.FactKey:
		return r.Key
	case sdk.FactRegion:
		return r.Region
	case sdk.FactPrefix:
		return fmt.Sprintf("%x", r.Prefix)
	case sdk.FactNow:
		return r.Now.Format(time.RFC3339)
	}
	if name, ok := f.Header(); ok {
		return fmt.Sprintf("%q", r.Headers[name])
	}
	return "?"
}

func planLines(p sdk.Plan, live []host.Live, step sdk.Lease) []string {
	var lines []string
	for i, t := range p.Tiers {
		balance := string(t.Balance)
		if balance == "" {
			balance = "balanced by weight or load"
		}
		lines = append(lines, fmt.Sprintf("tier %-3d %s", i+1, balance))
		for _, k := range t.Picks {
			line := "           " + k.Candidate.Channel.Name + "/" + k.Candidate.Model
			at := slices.IndexFunc(live, func(l host.Live) bool { return l.Ref == k.Candidate.Ref })
			if at >= 0 {
				l := live[at]
				line += fmt.Sprintf("  %s, first token %s, errors %.0f%%, in flight %d", l.Health, round(l.TTFT), 100*l.ErrorRate, l.InFlight)
			}
			if k.Reason != "" {
				line += ": " + k.Reason
			}
			lines = append(lines, line)
		}
	}
	return append(lines, leaseLine(p.Lease, step))
}

// leaseLine is how long an answer is used; where it does not say, its step does.
func leaseLine(l, step sdk.Lease) string {
	switch {
	case l.IsZero() && step.IsZero():
		return "lease    the router's"
	case l.IsZero():
		return leaseLine(step, step) + ", as the step says"
	case l.Fresh < 0:
		return "lease    none: every request asks"
	default:
		return fmt.Sprintf("lease    fresh for %s, then stale for %s", l.Fresh, l.Stale)
	}
}

func availability(a sdk.Availability) string {
	if a.Available {
		return "available: " + a.Reason
	}
	return "not available: " + a.Reason
}

func health(h sdk.Health) string {
	text := fmt.Sprintf("%s: %s; key %s", h.State, h.Reason, h.Key)
	if h.Listed {
		text += fmt.Sprintf("; %d models listed", len(h.Models))
	}
	return text
}

func rulingLines(r host.Ruling, onPrompt bool, step sdk.Lease) []string {
	answer := "pass"
	switch {
	case r.Rejection != nil:
		answer = fmt.Sprintf("reject with %d: %s", r.Rejection.Status, r.Rejection.Message)
	case len(r.Patch) > 0:
		answer = fmt.Sprintf("pass, with a patch of %d bytes", len(r.Patch))
	}
	lines := []string{"answer   " + answer}
	if !onPrompt {
		lines = append(lines, leaseLine(r.Lease, step))
	}
	return lines
}

// preparedLines have no secret: a minted token is not shown.
func preparedLines(c sdk.Channel, model string, e sdk.Endpoint, p sdk.Prepared) []string {
	lines := []string{
		strings.TrimSpace(fmt.Sprintf("for      %s of %s %s", e, c.Name, model)),
		"url      " + p.URL,
		fmt.Sprintf("auth     %s; codec %s", p.Auth.Kind, p.Codec),
	}
	for _, edit := range p.Edits {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("edit     %s %s %s%s", edit.Op, edit.Field, edit.Value, edit.To)))
	}
	return append(lines, leaseLine(p.Lease, sdk.Lease{}))
}

func entry(e sdk.Entry) string {
	return fmt.Sprintf("%d bytes until %s", len(e.Value), e.Expires.Format(time.TimeOnly))
}

// short keeps a key that is a digest from filling the line.
func short(key string) string {
	const most = 24
	if len(key) > most {
		return fmt.Sprintf("%.24q...", key)
	}
	return fmt.Sprintf("%q", key)
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(100 * time.Nanosecond)
	}
}

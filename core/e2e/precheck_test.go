package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
)

// unprobed is a pipeline without a prober: every channel is one never seen
// up, so that the pre-check has all the work.
func unprobed(precheck string) string {
	return `
pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    timeout = "10s" # a plan is what these tests rest on, however busy the machine
  }
  step "precheck" {
    run = plugin.prechecker.race
    ` + precheck + `
  }
  step "call" { run = provider.adapter }
}
`
}

// channelOf answers a chat, and says which channel answered by its first try.
func (r *router) channelOf(text string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), waitLimit)
	defer cancel()
	resp, body, err := r.post(ctx, "/chat/completions", chatBody("m", false, text))
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%v %s", err, body)
	}
	if n := resp.Header.Get("X-Smartrouter-Attempts"); n != "1" {
		r.t.Errorf("answered after %s tries", n)
	}
	return resp.Header.Get("X-Smartrouter-Channel")
}

func (r *router) step(name string) pipeline.StepStats {
	r.t.Helper()
	for _, s := range r.status().Pipelines[0].Steps {
		if s.Step == name {
			return s
		}
	}
	r.t.Fatalf("no step %s", name)
	return pipeline.StepStats{}
}

const (
	listed = "GET /v1/models 200"
	chat   = "POST /v1/chat/completions 200"
)

// Behind a dead first channel a request costs one round trip more: the GET
// that went to the second while the first was found dead.
func TestDeadFirstChannelCostsARoundTrip(t *testing.T) {
	t.Parallel()
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, cold+unprobed(`timeout = "10s"`)+
		channel("dead", wall.Dead(t), upstreamKey, `models = ["m"]`, "priority = 1")+
		channel("good", good.URL(), upstreamKey, `models = ["m"]`, "priority = 2"))
	if c := r.channelOf("first"); c != "good" {
		t.Errorf("%s answered", c)
	}
	if got, want := fmt.Sprint(probed(good)), fmt.Sprint([]string{listed, chat}); got != want {
		t.Errorf("the second channel was asked %s, want %s", got, want)
	}
	// Both are leased now: the next ones cost what they cost with a healthy first channel.
	for i := range 20 {
		if c := r.channelOf(fmt.Sprintf("next %d", i)); c != "good" {
			t.Errorf("%s answered", c)
		}
	}
	if n := len(probed(good)); n != 22 {
		t.Errorf("%d requests reached the second channel, want one list and 21 chats", n)
	}
	if n := r.metric("smartrouter_attempts_total", `channel="dead"`); n != 0 {
		t.Errorf("%v requests were tried at the dead channel", n)
	}
	if s := r.step("precheck"); s.Asked != 2 {
		t.Errorf("the pre-check asked %d times, want once for each channel", s.Asked)
	}
}

// The first that answers is enough, however long the step may take: its
// time-out here is longer than the test waits.
func TestFirstAvailableWaitsForNoOther(t *testing.T) {
	t.Parallel()
	silent := wall.Start(t, wall.Faults(wall.Silent()))
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, cold+unprobed(`timeout = "10m"`)+
		channel("silent", silent.URL(), upstreamKey, `models = ["m"]`)+
		channel("a", a.URL(), upstreamKey, `models = ["m"]`)+
		channel("b", b.URL(), upstreamKey, `models = ["m"]`))
	if c := r.channelOf("first"); c != "a" && c != "b" {
		t.Errorf("%s answered", c)
	}
	wait(t, "all three were asked", func() bool { return r.step("precheck").Asked == 3 })
	wait(t, "the question has reached the silent one", func() bool { return len(silent.Requests()) == 1 })
	if q := silent.Requests()[0]; q.Ended || q.Method != http.MethodGet || q.Path != "/v1/models" {
		t.Errorf("the silent one: %+v", q)
	}
	chats := 0
	for _, w := range []*wall.Wall{a, b} {
		for _, q := range w.Requests() {
			if q.Method == http.MethodPost {
				chats++
			}
		}
	}
	if chats != 1 {
		t.Errorf("%d chats were billed for one request", chats)
	}
}

func TestTopThreeAreAskedAtTheSameTime(t *testing.T) {
	t.Parallel()
	const latency = 5 * time.Second // within which a busy machine asks three
	hcl := cold + unprobed(`timeout = "60s"`)
	var walls []*wall.Wall
	for i := range 5 {
		w := wall.Start(t, wall.Models("m"), wall.Faults(wall.Latency(latency).On("/v1/models")))
		walls = append(walls, w)
		hcl += channel(fmt.Sprintf("c%d", i), w.URL(), upstreamKey, `models = ["m"]`, fmt.Sprintf("priority = %d", i+1))
	}
	r := startRouter(t, hcl)
	if c := r.channelOf("first"); c != "c0" {
		t.Errorf("%s answered, and the first was as available as the others", c)
	}
	var last, first time.Time
	for i, w := range walls {
		var lists []wall.Request
		for _, q := range w.Requests() {
			if q.Method == http.MethodGet {
				lists = append(lists, q)
			} else if i != 0 {
				t.Errorf("channel %d was asked for a chat", i)
			}
		}
		if want := map[bool]int{true: 1}[i < 3]; len(lists) != want {
			t.Fatalf("channel %d was asked %d times, want %d", i, len(lists), want)
		}
		if i >= 3 {
			continue
		}
		if q := lists[0]; i == 0 || q.Began.After(last) {
			last = q.Began
		}
		if end := lists[0].Began.Add(latency); i == 0 || end.Before(first) {
			first = end
		}
	}
	if !last.Before(first) {
		t.Error("the last question was put when the first was answered")
	}
}

// Nobody waits twice for a silent channel of a better tier.
func TestSilentBetterTierIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	silent := wall.Start(t, wall.Faults(wall.Silent()))
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, cold+`
plugin "prechecker" "race" {
  config { retry_after = "10m" }
}
`+unprobed(`timeout = "5s"`)+
		channel("silent", silent.URL(), upstreamKey, `models = ["m"]`, "priority = 1")+
		channel("good", good.URL(), upstreamKey, `models = ["m"]`, "priority = 2"))
	for i := range 5 {
		if c := r.channelOf(fmt.Sprintf("request %d", i)); c != "good" {
			t.Errorf("%s answered", c)
		}
	}
	if got := probed(silent); len(got) != 1 || silent.Requests()[0].Method != http.MethodGet {
		t.Errorf("the silent one was asked %v", got)
	}
	wait(t, "the silent one is down", func() bool { return r.channelStatus("silent").State == "down" })
}

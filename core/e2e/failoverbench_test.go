package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// The sixteen scenarios of Failover Bench, methodology v0.1, against a wall of
// our own: https://github.com/failoverbench/failoverbench. Faults, checks and
// verdicts are those of its scenarios/catalogue.yaml and METHODOLOGY.md, where
// their reasons are. Times of the catalogue are divided by benchFactor, but for
// Retry-After, which knows whole seconds only. Every scenario is also played
// without a stream where its fault has a meaning there.
//
// The fallback answers the same sixty words, as in the original. So a stream
// that was cut is rescued by "verify": the second answer repeats the first.
const benchFactor = 4

// catalogue is a time of the catalogue as these tests play it.
func catalogue(seconds float64) time.Duration {
	return time.Duration(seconds / benchFactor * float64(time.Second))
}

// sixty is the answer: a rescue that tears or doubles a word shows in it.
const sixty = "One quiet afternoon the old lighthouse keeper counted every ship that passed beneath " +
	"his lamp, wrote each name into a blue ledger, and wondered which captains had noticed him at all; " +
	"storms came later, wind broke two windows, the lamp went dark for eleven seconds, and that night " +
	"forty sailors learned exactly how much they had trusted a stranger's light"

// seen is what the caller and the provider saw of a scenario.
type seen struct {
	hang     bool
	err      error // why it was no success
	answer   string
	model    string
	usage    bool
	took     time.Duration
	primary  []wall.Request // tries at the model that misbehaves
	fallback []wall.Request
	prefills int   // tries that the fallback refused
	dead     error // why a healthy request failed afterwards

	// of a sequence
	outage struct{ asked, answered, tries int }
	back   time.Duration // from the end of the outage to the primary's first answer; < 0: never
}

func (s *seen) complete() bool { return s.err == nil && s.answer == sixty }

// within counts the tries of the first d.
func within(tries []wall.Request, d time.Duration) int {
	n := 0
	for _, q := range tries {
		if q.Began.Sub(tries[0].Began) < d {
			n++
		}
	}
	return n
}

type check struct {
	id       string
	advisory bool
	ok       func(*seen) bool
}

func noHang(s *seen) bool                 { return !s.hang }
func noTruncatedSuccess(s *seen) bool     { return s.err != nil || s.answer == sixty }
func aliveAfter(s *seen) bool             { return s.dead == nil }
func usagePresent(s *seen) bool           { return s.usage }
func triesAtLeast(n int) func(*seen) bool { return func(s *seen) bool { return len(s.primary) >= n } }
func triesAtMost(n int) func(*seen) bool  { return func(s *seen) bool { return len(s.primary) <= n } }
func endsIn(d time.Duration) func(*seen) bool {
	return func(s *seen) bool { return !s.hang && s.took <= d }
}
func tries(most int, in time.Duration) func(*seen) bool {
	return func(s *seen) bool { return within(s.primary, in) <= most }
}

// scenario is one of the catalogue. Its fault strikes the model named by its id.
type scenario struct {
	id, title string
	fault     wall.Fault
	ideal     string // the code of the clean error that is ideal; empty: the whole answer
	onlySSE   bool   // without a stream there is nothing to break
	prefill   bool   // the fallback refuses a beginning to go on with
	limit     time.Duration
	checks    []check
}

// A stream begins with the role, so that so many words are one event more.
const cutAfter, stallAfter, tornAt = 1 + 40, 1 + 20, 1 + 10

var scenarios = []scenario{
	{
		id: "s01", title: "429 with Retry-After", limit: 20 * time.Second,
		fault: wall.Status(429).RetryAfter("2").Times(1),
		checks: []check{
			{id: "retried", advisory: true, ok: triesAtLeast(2)},
			{id: "retry_after_honoured", advisory: true, ok: func(s *seen) bool {
				return len(s.primary) > 1 && s.primary[1].Began.Sub(s.primary[0].Began) >= 1800*time.Millisecond
			}},
			{id: "no_hammer", ok: tries(2, 1500*time.Millisecond)},
		},
	}, {
		id: "s02", title: "429 without Retry-After, persistent", limit: catalogue(40),
		fault: wall.Refuse(429, "rate_limit_exceeded", "Too many requests."),
		checks: []check{
			{id: "no_hammer", ok: tries(4, catalogue(3))}, {id: "bounded_attempts", ok: triesAtMost(6)}, {id: "no_hang", ok: noHang},
		},
	}, {
		id: "s03", title: "500 once, then healthy", limit: catalogue(20), fault: wall.Status(500).Times(1),
		checks: []check{{id: "no_hang", ok: noHang}, {id: "same_provider_retry", advisory: true, ok: triesAtLeast(2)}},
	}, {
		id: "s04", title: "503 persistent", limit: catalogue(40), fault: wall.Status(503),
		checks: []check{{id: "bounded_attempts", ok: triesAtMost(6)}, {id: "no_hang", ok: noHang}},
	}, {
		id: "s05", title: "TCP reset before headers", limit: catalogue(20), fault: wall.Reset().Times(1),
		checks: []check{{id: "no_hang", ok: noHang}},
	}, {
		id: "s06", title: "no response at all", limit: catalogue(130), fault: wall.Silent(),
		checks: []check{
			{id: "within_budget", ok: endsIn(catalogue(100))}, {id: "no_hang", ok: noHang},
			{id: "silent_route_not_retried", advisory: true, ok: triesAtMost(1)},
		},
	}, {
		id: "s07", title: "slow first token", limit: catalogue(60), fault: wall.PauseAfter(0, catalogue(20)),
		checks: []check{{id: "no_hang", ok: noHang}, {id: "ttft_limit", advisory: true, ok: endsIn(catalogue(15))}},
	}, {
		id: "s08", title: "stream cut mid-answer", limit: catalogue(40), fault: wall.CloseAfter(cutAfter),
		checks: []check{{id: "no_truncated_success", ok: noTruncatedSuccess}, {id: "no_hang", ok: noHang}},
	}, {
		id: "s09", title: "stream stalls", limit: catalogue(70), fault: wall.StallAfter(stallAfter),
		checks: []check{
			{id: "bounded", ok: endsIn(catalogue(45))}, {id: "no_truncated_success", ok: noTruncatedSuccess},
			{id: "alive_after", ok: aliveAfter}, {id: "no_hang", ok: noHang},
		},
	}, {
		id: "s10", title: "malformed chunk in the stream", limit: catalogue(30), fault: wall.TornAfter(tornAt),
		checks: []check{
			{id: "alive_after", ok: aliveAfter}, {id: "no_garbage", ok: noTruncatedSuccess}, {id: "no_hang", ok: noHang},
			{id: "recovered_in_place", advisory: true, ok: (*seen).complete},
		},
	}, {
		id: "s11", title: "stream ends without [DONE]", limit: catalogue(30), fault: wall.NoDone(), onlySSE: true,
		checks: []check{{id: "prompt_finalise", ok: endsIn(catalogue(8))}, {id: "usage_reported", advisory: true, ok: usagePresent}},
	}, {
		id: "s12", title: "context length exceeded", limit: catalogue(20),
		fault:  wall.Refuse(400, "context_length_exceeded", "The maximum context length is 8192 tokens, and 9631 came."),
		checks: []check{{id: "no_same_model_retry", ok: func(s *seen) bool { return len(s.primary) == 1 }}, {id: "no_hang", ok: noHang}},
	}, {
		id: "s13", title: "content-filter rejection", limit: catalogue(20), ideal: "content_policy_violation",
		fault:  wall.Refuse(400, "content_policy_violation", "The safety system rejects this."),
		checks: []check{{id: "no_same_model_retry", ok: func(s *seen) bool { return len(s.primary) == 1 }}, {id: "no_hang", ok: noHang}},
	}, {
		id: "s14", title: "fallback target rejects prefill", limit: catalogue(40), fault: wall.CloseAfter(cutAfter), prefill: true,
		checks: []check{
			{id: "no_prefill_masking", ok: func(s *seen) bool { return s.err == nil || s.prefills == 0 }},
			{id: "no_truncated_success", ok: noTruncatedSuccess},
		},
	}, {
		id: "s16", title: "fail-over accounting", limit: catalogue(40), fault: wall.Status(503),
		checks: []check{
			{id: "reports_fallback_model", ok: func(s *seen) bool { return s.model == fallbackModel }},
			{id: "usage_present", advisory: true, ok: usagePresent}, {id: "bounded_attempts", ok: triesAtMost(6)},
		},
	},
}

// flap is S15. The outage is shorter than the catalogue's 60 s; how soon the
// primary is to be used again is the catalogue's 30 s.
var flap = scenario{
	id: "s15", title: "primary flaps: down, then healthy", limit: catalogue(30), fault: wall.Status(503),
	checks: []check{
		{id: "no_hang", ok: noHang},
		{id: "served_during_outage", ok: func(s *seen) bool { return s.outage.asked > 0 && s.outage.answered == s.outage.asked }},
		{id: "recovered", ok: func(s *seen) bool { return s.back >= 0 && s.back <= 30*time.Second }},
		// In the catalogue this one is for information only.
		{id: "probe_discipline", advisory: true, ok: func(s *seen) bool { return s.outage.tries <= s.outage.asked }},
	},
}

const (
	fallbackModel = "fb-ok"
	strictModel   = "fb-ok-noprefill"
	outageTime    = 6 * time.Second
	outageStep    = 500 * time.Millisecond
)

// verdict is the catalogue's word on a scenario, and why.
func (sc *scenario) verdict(s *seen) (string, []string) {
	var required, advisory []string
	for _, c := range sc.checks {
		switch {
		case c.ok(s):
		case c.advisory:
			advisory = append(advisory, c.id)
		default:
			required = append(required, c.id)
		}
	}
	rescued := s.complete()
	if sc.ideal != "" {
		rescued = s.err != nil && strings.Contains(s.err.Error(), sc.ideal)
	}
	switch {
	case s.hang:
		return "fail", []string{"hang"}
	case sc.ideal == "" && !noTruncatedSuccess(s):
		return "fail", []string{fmt.Sprintf("success with %d of 60 words", len(strings.Fields(s.answer)))}
	case len(required) > 0:
		return "fail", required
	case rescued && len(advisory) > 0:
		return "partial", advisory
	case rescued:
		return "pass", nil
	case sc.ideal != "" && s.err == nil:
		return "partial", []string{"routed around the rejection"}
	}
	return "safe", []string{s.err.Error()}
}

// bench is a router between walls.
type bench struct {
	*router
	bad, good *wall.Wall
	flaky     map[string]*wall.Wall // by mode
}

func startBench(t *testing.T) *bench {
	b := &bench{flaky: make(map[string]*wall.Wall)}
	var faults []wall.Fault
	names := []string{}
	// The scenarios are played at once, where the bench plays one after the
	// other: the retries of each must not use up those of the next.
	hcl := listen + `
retry_budget { at_least = 1000 }
pipeline "default" {
  step "health"   { run = plugin.prober.models }
  step "answers"  { run = plugin.cache.local }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" {
    run    = provider.adapter
    rescue = "verify"
  }
}
`
	models := ""
	for _, sc := range append(slices.Clone(scenarios), flap) {
		for _, mode := range modes(&sc) {
			name := sc.model(mode)
			names = append(names, name)
			faults = append(faults, sc.fault.ForModel(name))
			models += fmt.Sprintf("model %q {\n  fallbacks = [%q]\n}\n", name, sc.fallback())
		}
	}
	good := wall.Refuse(400, "invalid_prefill", "This model takes no beginning of an answer.").OnPrefill().ForModel(strictModel)
	b.bad = wall.Start(t, wall.Key(upstreamKey), wall.Models(names...), wall.Answer(sixty), wall.Pace(time.Millisecond), wall.Faults(faults...))
	b.good = wall.Start(t, wall.Key(upstreamKey), wall.Models(fallbackModel, strictModel), wall.Answer(sixty), wall.Faults(good))
	// A channel for each model: what happens to one must not ban the others.
	for _, name := range names {
		w := b.bad
		if mode, ok := strings.CutPrefix(name, flap.model("")); ok {
			w = wall.Start(t, wall.Key(upstreamKey), wall.Models(name), wall.Answer(sixty), wall.Faults(flap.fault.On("/v1/chat")))
			b.flaky[mode] = w
		}
		hcl += channel(name, w.URL(), upstreamKey, "models = "+list([]string{name}), fmt.Sprintf(`timeouts {
    first_token = %[1]q
    read        = %[1]q
    idle        = %[1]q
  }`, catalogue(10).String()))
	}
	hcl += channel("good", b.good.URL(), upstreamKey, "models = "+list([]string{fallbackModel, strictModel})) + models
	b.router = startRouter(t, hcl)
	return b
}

// modes in which a scenario is played.
func modes(sc *scenario) []string {
	if sc.onlySSE {
		return []string{"streamed"}
	}
	return []string{"streamed", "whole"}
}

func (sc *scenario) model(mode string) string { return sc.id + "-" + mode }

func (sc *scenario) fallback() string {
	if sc.prefill {
		return strictModel
	}
	return fallbackModel
}

// call makes one request as a careful client does.
func (b *bench) call(ctx context.Context, model, mode string, limit time.Duration) *seen {
	s := &seen{back: -1}
	request := map[string]any{
		"model": model, "messages": []map[string]string{{"role": "user", "content": model + ": tell me of the lighthouse in sixty words."}},
	}
	if mode == "streamed" {
		request["stream"], request["stream_options"] = true, map[string]bool{"include_usage": true}
	}
	body, err := json.Marshal(request)
	if err != nil {
		panic(err) // a map of strings
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, got, err := b.post(ctx, "/chat/completions", body)
	s.took = time.Since(begun)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.hang, s.err = true, err
	case err != nil:
		s.err = err
	case resp.StatusCode != http.StatusOK:
		s.err = fmt.Errorf("%s: %s", resp.Status, code(got))
	case mode == "streamed":
		s.err = s.readStream(got)
	default:
		s.err = s.read(got)
	}
	return s
}

type piece struct {
	Model   string
	Error   json.RawMessage
	Usage   json.RawMessage
	Choices []struct{ Message, Delta struct{ Content string } }
}

// read takes in a whole answer, or one event.
func (s *seen) read(data []byte) error {
	var p piece
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("%w: %s", err, data)
	}
	if p.Error != nil {
		return fmt.Errorf("an error in place of an answer: %s", p.Error)
	}
	s.usage = s.usage || len(p.Usage) > 0 && string(p.Usage) != "null"
	if p.Model != "" {
		s.model = p.Model
	}
	for _, c := range p.Choices {
		s.answer += c.Message.Content + c.Delta.Content
	}
	return nil
}

// readStream does not need a [DONE], but fails at anything that no client can read.
func (s *seen) readStream(body []byte) error {
	for line := range bytes.Lines(body) {
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		if !ok {
			continue
		}
		if bytes.Equal(data, []byte("[DONE]")) {
			return nil
		}
		if err := s.read(data); err != nil {
			return err
		}
	}
	return nil
}

// chats that a wall was asked for a model, and how many began with an answer.
func chats(w *wall.Wall, model, about string) (of []wall.Request, prefills int) {
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost && q.Model == model && bytes.Contains(q.Body, []byte(about)) {
			of = append(of, q)
			if q.Status == http.StatusBadRequest {
				prefills++
			}
		}
	}
	return of, prefills
}

func (b *bench) play(t *testing.T, sc *scenario, mode string) {
	model := sc.model(mode)
	s := b.call(t.Context(), model, mode, sc.limit)
	s.primary, _ = chats(b.bad, model, model)
	s.fallback, s.prefills = chats(b.good, sc.fallback(), model)
	s.dead = b.call(t.Context(), fallbackModel, "whole", waitLimit).err
	sc.mustPass(t, s)
	b.counts(0, "smartrouter_channel_in_flight", fmt.Sprintf("channel=%q", model))
}

func (sc *scenario) mustPass(t *testing.T, s *seen) {
	t.Helper()
	if v, why := sc.verdict(s); v != "pass" {
		t.Errorf("%s: %v; %d tries, then %d at the fallback, in %s: %v %q", v, why, len(s.primary), len(s.fallback), s.took, s.err, s.answer)
	}
}

func TestFailoverBench(t *testing.T) {
	t.Parallel()
	if n := len(strings.Fields(sixty)); n != 60 {
		t.Fatalf("the answer has %d words", n)
	}
	b := startBench(t)
	for _, sc := range scenarios {
		for _, mode := range modes(&sc) {
			t.Run(sc.id+" "+sc.title+", "+mode, func(t *testing.T) {
				b.play(t, &sc, mode)
			})
		}
	}
	for _, mode := range modes(&flap) {
		t.Run(flap.id+" "+flap.title+", "+mode, func(t *testing.T) {
			b.playFlap(t, mode)
		})
	}
}

// playFlap asks one request after the other until the primary answers again.
func (b *bench) playFlap(t *testing.T, mode string) {
	model := flap.model(mode)
	all := &seen{back: -1, answer: sixty}
	begun := time.Now()
	var healed time.Time
	step := time.NewTicker(outageStep)
	defer step.Stop()
	for ; all.back < 0 && (healed.IsZero() || time.Since(healed) <= 30*time.Second); <-step.C {
		if healed.IsZero() && time.Since(begun) > outageTime {
			of, _ := chats(b.flaky[mode], model, model)
			all.outage.tries = len(of)
			b.flaky[mode].Mend()
			healed = time.Now()
		}
		s := b.call(t.Context(), model, mode, flap.limit)
		all.hang = all.hang || s.hang
		if !s.complete() {
			all.err, all.answer = s.err, s.answer
		}
		switch {
		case healed.IsZero():
			all.outage.asked++
			if s.complete() {
				all.outage.answered++
			}
		case s.model == model:
			all.back = time.Since(healed)
		}
	}
	all.took = time.Since(begun)
	all.primary, _ = chats(b.flaky[mode], model, model)
	all.fallback, _ = chats(b.good, fallbackModel, model)
	flap.mustPass(t, all)
	t.Logf("%d requests in the outage cost %d tries; the primary was back after %s", all.outage.asked, all.outage.tries, all.back.Round(time.Millisecond))
}

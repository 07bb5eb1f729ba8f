package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// tale is what the upstreams of these tests say.
const tale = "One quiet afternoon the old lighthouse keeper counted every ship that passed beneath his lamp, " +
	"wrote each name into a blue ledger, and wondered which captains had noticed him at all."

// told is what a client of a chat stream got.
type told struct {
	text     string
	ids      []string
	roles    int
	finishes int
	dones    int
	errors   int
	code     string
	prompt   int64 // of the usage
}

// read fails where a client would: at what is no JSON.
func read(t *testing.T, body string) told {
	t.Helper()
	var out told
	for event := range strings.SplitSeq(body, "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok {
			if event != "" && !strings.HasPrefix(event, ":") {
				t.Errorf("no event: %q", event)
			}
			continue
		}
		if data == "[DONE]" {
			out.dones++
			continue
		}
		var chunk struct {
			ID      string
			Choices []struct {
				Delta struct {
					Role, Content string
				}
				FinishReason string `json:"finish_reason"`
			}
			Error *struct{ Code string }
			Usage struct {
				Prompt int64 `json:"prompt_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Errorf("the client can't read %q: %v", data, err)
		}
		if chunk.Error != nil {
			out.errors++
			out.code = chunk.Error.Code
			continue
		}
		if !slices.Contains(out.ids, chunk.ID) {
			out.ids = append(out.ids, chunk.ID)
		}
		out.prompt += chunk.Usage.Prompt
		for _, c := range chunk.Choices {
			out.text += c.Delta.Content
			if c.Delta.Role != "" {
				out.roles++
			}
			if c.FinishReason != "" {
				out.finishes++
			}
		}
	}
	return out
}

// whole tells what is wrong with a stream that was rescued.
func (s told) whole() error {
	if s.text != tale || len(s.ids) != 1 || s.roles != 1 || s.finishes != 1 || s.dones != 1 || s.errors != 0 {
		return fmt.Errorf("not one whole answer: %+v", s)
	}
	return nil
}

// TestRescue: a stream that breaks off goes on where another target repeats it;
// else it ends with an error, after words that are all the first target's.
func TestRescue(t *testing.T) {
	t.Parallel()
	type at struct {
		faults   []wall.Fault
		says     string // instead of the tale
		fallback int
		prefill  bool
	}
	const ask = `,"stream":true,"stream_options":{"include_usage":true}}`
	for _, tc := range []struct {
		name   string
		rescue config.Rescue // verify where empty
		body   string        // what is asked besides
		at     []at
		// tries at each, and whether the client got all.
		tries   []int
		whole   bool
		rescues []Rescue
		status  string // the error's code
		// streams that were paid for, the answer's included.
		streams int64
	}{
		{name: "closed", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "reset", at: []at{{faults: []wall.Fault{wall.ResetAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "ended", at: []at{{faults: []wall.Fault{wall.EndAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "stalled", at: []at{{faults: []wall.Fault{wall.StallAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "error event", at: []at{{faults: []wall.Fault{wall.ErrorAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "no JSON", at: []at{{faults: []wall.Fault{wall.TornAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "at the first word", at: []at{{faults: []wall.Fault{wall.CloseAfter(2)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "before the finish", at: []at{{faults: []wall.Fault{wall.CloseAfter(1000)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "the same target once more", at: []at{{faults: []wall.Fault{wall.CloseAfter(9).Times(1)}}}, tries: []int{2}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "a silent one not", at: []at{{faults: []wall.Fault{wall.StallAfter(9).Times(1)}}}, tries: []int{1}, rescues: []Rescue{Failed}, status: "gateway_timeout"},
		{name: "the same before a fallback", at: []at{{faults: []wall.Fault{wall.CloseAfter(9).Times(1)}}, {fallback: 1}}, tries: []int{2, 0}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "a fallback that says the same", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {fallback: 1}}, tries: []int{2, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 3},
		{name: "a fallback that does not", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {fallback: 1, says: "I am another model."}}, tries: []int{2, 1}, rescues: []Rescue{Differed}, status: "bad_gateway"},
		{name: "one that differs at the last word", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {says: "One quiet afternoon the old lighthouse keeper slept."}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 3},
		{name: "one that ends before", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {says: "One quiet afternoon the"}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 3},
		{name: "the second breaks off before", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {faults: []wall.Fault{wall.CloseAfter(5)}}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 3},
		{name: "the second breaks off behind", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {faults: []wall.Fault{wall.CloseAfter(15)}}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued, Rescued}, streams: 3},
		{name: "the second refuses", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {faults: []wall.Fault{wall.Refuse(400, "no", "no")}}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "the second is down", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {faults: []wall.Fault{wall.Status(500)}}, {}}, tries: []int{1, 1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "all break off", at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {faults: []wall.Fault{wall.ResetAfter(4)}}}, tries: []int{2, 1}, rescues: []Rescue{Failed}, status: "bad_gateway"},
		{name: "off", rescue: config.RescueOff, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 0}, status: "bad_gateway"},
		{name: "no JSON, and off", rescue: config.RescueOff, at: []at{{faults: []wall.Fault{wall.TornAfter(9)}}, {}}, tries: []int{1, 0}, status: "bad_gateway"},
		{name: "no JSON before the first word", rescue: config.RescueOff, at: []at{{faults: []wall.Fault{wall.TornAfter(1)}}, {}}, tries: []int{1, 1}, whole: true, streams: 1},
		{name: "a function is no harm", body: `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"`, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "the provider searches", body: `,"web_search_options":{}`, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 0}, rescues: []Rescue{Impossible}, status: "bad_gateway"},
		{name: "no probabilities", body: `,"logprobs":true`, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 0}, rescues: []Rescue{Impossible}, status: "bad_gateway"},
		{name: "continue without a prefill", rescue: config.RescueContinue, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {}}, tries: []int{1, 1}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
		{name: "continue where a prefill is refused after all", rescue: config.RescueContinue, at: []at{{faults: []wall.Fault{wall.CloseAfter(9)}}, {prefill: true, faults: []wall.Fault{wall.Refuse(400, "no_prefill", "no").OnPrefill()}}}, tries: []int{1, 2}, whole: true, rescues: []Rescue{Rescued}, streams: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var walls []*wall.Wall
			var specs []spec
			for _, a := range tc.at {
				says := tale
				if a.says != "" {
					says = a.says
				}
				w := wall.Start(t, wall.Answer(says), wall.Faults(a.faults...))
				walls = append(walls, w)
				specs = append(specs, spec{url: w.URL(), fallback: a.fallback, change: func(c *config.Channel) {
					impatient(c)
					c.AcceptsPrefill = a.prefill
				}})
			}
			l := newLab(t, specs...)
			seen := &conns{}
			l.dispatcher.observer = seen
			l.change = func(c *Call) {
				if c.Rules.Rescue = config.RescueVerify; tc.rescue != "" {
					c.Rules.Rescue = tc.rescue
				}
			}
			rec := newRecorder()
			body := strings.TrimSuffix(question, "}") + tc.body + ask
			out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
			got := read(t, rec.text())
			for i, w := range walls {
				if n := w.Counts().Requests; n != tc.tries[i] {
					t.Errorf("%d tries at %d, want %d", n, i, tc.tries[i])
				}
			}
			if !slices.Equal(seen.rescues, tc.rescues) || out.Rescued != slices.Contains(tc.rescues, Rescued) {
				t.Errorf("rescues %v, outcome %+v", seen.rescues, out)
			}
			for i, a := range out.Attempts {
				if a.Rescue != (i > 0 && len(tc.rescues) > 0) {
					t.Errorf("attempt %d: %+v", i, a)
				}
			}
			if tc.whole {
				if err := got.whole(); err != nil || !out.Complete || out.Err != nil {
					t.Errorf("%v, outcome %+v", err, out)
				}
				if n := out.Usage.Input / max(1, got.prompt); n != tc.streams || out.Usage.Total != out.Usage.Input+out.Usage.Output {
					t.Errorf("%d prompts are paid for, want %d: %+v", n, tc.streams, out.Usage)
				}
			} else if got.errors != 1 || got.code != tc.status || got.dones+got.finishes > 0 || !strings.HasPrefix(tale, got.text) || got.text == "" || out.Complete || out.Err == nil {
				t.Errorf("client got %+v, outcome %+v", got, out)
			}
			l.settled()
		})
	}
}

// TestContinue: a target that accepts a prefill gets the beginning, and goes on
// where it ends.
func TestContinue(t *testing.T) {
	t.Parallel()
	first := wall.Start(t, wall.Answer(tale), wall.Faults(wall.CloseAfter(1+4))) // "One quiet afternoon the"
	rest := wall.Start(t, wall.Answer(strings.TrimPrefix(tale, "One quiet afternoon the")))
	l := newLab(t, at(first.URL()), spec{url: rest.URL(), change: func(c *config.Channel) { c.AcceptsPrefill = true }})
	l.change = func(c *Call) { c.Rules.Rescue = config.RescueContinue }
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if err := read(t, rec.text()).whole(); err != nil || !out.Complete || !out.Rescued {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if r := rest.Requests(); len(r) != 1 || !strings.Contains(string(r[0].Body), `,{"role":"assistant","content":"One quiet afternoon the"}]`) {
		t.Errorf("the second target was asked %+v", r)
	}
	l.settled()
}

// TestRescueOfAFilteredAnswer: what a filter cut off is not asked for elsewhere.
func TestRescueOfAFilteredAnswer(t *testing.T) {
	t.Parallel()
	event := `data: {"error":{"code":"content_filter","type":"invalid_request_error","message":"filtered"}}` + "\n\n"
	good := wall.Start(t, wall.Answer("sea"))
	l := newLab(t, at(answering(t, 200, "text/event-stream", role+content+event)), at(good.URL()))
	l.change = func(c *Call) { c.Rules.Rescue = config.RescueVerify }
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if rec.text() != role+content+event || out.Complete || out.Err == nil || good.Counts().Requests != 0 {
		t.Errorf("client got %s, outcome %+v", rec.text(), out)
	}
}

// TestWhatFollowsTheEnd: one terminator is enough, and nothing comes after it;
// events without data would be read as JSON.
func TestWhatFollowsTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t, at(answering(t, 200, "text/event-stream", role+"data:\n\n"+content+"event: ping\ndata: \n\n"+finish+done+done+"garbage\n\ndata: {\n\n")))
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if rec.text() != role+content+finish+done || !out.Complete {
		t.Errorf("client got %q, outcome %+v", rec.text(), out)
	}
}

// TestRescueTime: who is not as far as the client in time is given up, and not
// blamed; the client's connection is kept warm meanwhile.
func TestRescueTime(t *testing.T) {
	t.Parallel()
	cutOff := []step{{0, eventsFollow + role + content}}
	for _, tc := range []struct {
		name    string
		scripts [][][]step
		took    time.Duration
		result  Rescue
		text    string
	}{
		{
			name: "silent", took: 10 * time.Second, result: TooLate, text: "sea",
			scripts: [][][]step{{cutOff, {{never, ""}}}, {{{never, ""}}}},
		}, {
			name: "too slow", took: 10 * time.Second, result: TooLate, text: "sea",
			scripts: [][][]step{{cutOff, cutOff}, {{{6 * time.Second, eventsFollow + role}, {6 * time.Second, content + finish + done}}}},
		}, {
			name: "just in time, and slow behind", took: time.Minute, result: Rescued, text: "seaseasea",
			scripts: [][][]step{{cutOff}, {{{6 * time.Second, eventsFollow + role}, {3 * time.Second, content}, {51 * time.Second, content + content + finish + done}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := scripted(t, tc.scripts...)
				seen := &conns{}
				l.dispatcher.observer = seen
				l.change = func(c *Call) {
					c.Rules.Rescue, c.Rules.RescueTimeout, c.KeepAlive = config.RescueVerify, 10*time.Second, 4*time.Second
				}
				rec := newRecorder()
				begun := time.Now()
				out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
				if took := time.Since(begun); took < tc.took || took > tc.took+time.Second {
					t.Errorf("took %s, want %s", took, tc.took)
				}
				if got := read(t, rec.text()); got.text != tc.text || (got.errors == 0) != (tc.result == Rescued) {
					t.Errorf("client got %+v", got)
				}
				if n := strings.Count(rec.text(), ": keepalive"); n < 2 {
					t.Errorf("%d comments", n)
				}
				if !slices.Equal(seen.rescues, []Rescue{tc.result}) || l.targets[1].ErrorRate() != 0 {
					t.Errorf("rescues %v, error rate %v, outcome %+v", seen.rescues, l.targets[1].ErrorRate(), out)
				}
				l.dispatcher.Close()
				l.settled()
			})
		})
	}
}

// TestRescueOfClientThatLeaves: nobody is asked for who has gone.
func TestRescueOfClientThatLeaves(t *testing.T) {
	t.Parallel()
	first, second := wall.Start(t, wall.Answer(tale), wall.Faults(wall.CloseAfter(9))), wall.Start(t, wall.Faults(wall.Silent()))
	third := wall.Start(t, wall.Answer(tale))
	l := newLab(t, at(first.URL()), at(second.URL()), at(third.URL()))
	l.change = func(c *Call) { c.Rules.Rescue = config.RescueVerify }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	finished := make(chan Outcome)
	go func() {
		finished <- l.dispatcher.Forward(ctx, newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	}()
	if err := second.Wait(t.Context(), func(r []wall.Request) bool { return len(r) == 1 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if out := <-finished; out.Complete || out.Rescued || out.Err != nil || third.Counts().Requests != 0 {
		t.Errorf("outcome %+v", out)
	}
	l.settled()
}

// TestServerTools: what makes a request one that is not asked twice.
func TestServerTools(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		body string
		want bool
	}{
		{body: `{"messages":[]}`},
		{body: `{"tools":[]}`},
		{body: `{"tools":null,"web_search_options":null}`},
		{body: `{"tools":[{"type":"function"},{"function":{},"type":"custom"}]}`},
		{body: `{"tools":[{"type":"function"},{"type":"web_search"}]}`, want: true},
		{body: `{"tools":[{"type":"web\u005fsearch"}]}`, want: true},
		{body: `{"tools":[{"googleSearch":{}}]}`, want: true},
		{body: `{"tools":["x"]}`, want: true},
		{body: `{"web_search_options":{}}`, want: true},
		{body: `{"search_parameters":{"mode":"auto"}}`, want: true},
		{body: `{"plugins":[{"id":"web"}]}`, want: true},
		{body: `{`, want: true},
	} {
		if got := serverTools([]byte(tc.body)); got != tc.want {
			t.Errorf("%s: %v", tc.body, got)
		}
	}
}

// TestQuiet: of many streams that break off at once little is said.
func TestQuiet(t *testing.T) {
	t.Parallel()
	var q quiet
	now := time.Now()
	said := 0
	for range 500 {
		if _, ok := q.may("a", now); ok {
			said++
		}
	}
	if _, ok := q.may("b", now); said != 1 || !ok {
		t.Errorf("said %d times, and of the other: %v", said, ok)
	}
	if more, ok := q.may("a", now.Add(quietFor)); !ok || more != 499 {
		t.Errorf("later: %v, with %d unsaid", ok, more)
	}
	q.forget(func(name string) bool { return name == "b" })
	if _, ok := q.may("a", now.Add(quietFor)); !ok || len(q.last) != 2 {
		t.Error("a channel that is no more is remembered")
	}
}

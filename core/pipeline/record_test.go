package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// asJSON is how tests read records.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecordShowsWhatTheSelectorWasShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b")
		r.cfg.Channels[0].Prices = []config.Price{{Model: "*", Input: 1, Output: 2}}
		r.cfg.Channels[0].Tags = []string{"paid"}
		r.board.Apply(r.cfg)
		plan := r.tiers(t, []string{"b"}, []string{"a"})
		plan.Tiers[0].Picks[0].Reason = "the fastest"
		r.selector = func(context.Context, *host.Generation, sdk.Request, []host.Live) (sdk.Plan, error) {
			time.Sleep(3 * time.Millisecond)
			return plan, nil
		}
		r.board.Succeed(begun(r.target(t, "b")), 120*time.Millisecond)
		p := r.pipeline(t, chooseStep(), callStep())
		p.Run(context.Background(), request())
		time.Sleep(time.Second)
		// What happened since is not what the plan was made of.
		r.board.Fail(begun(r.target(t, "a")), board.Failure{Class: board.Upstream})
		q := request()
		v := p.Run(context.Background(), q)

		const choice = `{"step":"choose","plugin":"plugin.selector.mine","plugin_version":"1.0.0","source":"fresh","age_ms":1003,"asked_ms":3,` +
			`"tiers":[{"balance":"least_load","picks":[{"channel":"b","model":"m","weight":1,"reason":"the fastest"}]},` +
			`{"balance":"least_load","picks":[{"channel":"a","model":"m","weight":1}]}]}`
		if got := asJSON(t, v.Choice.Record(q.Start)); got != choice {
			t.Errorf("got\n%s\nwant\n%s", got, choice)
		}
		const candidates = `[{"channel":"a","provider":"openai","tags":["paid"],"model":"m","priority":10,"weight":1,"input_price":1,"output_price":2,"health":"unknown"},` +
			`{"channel":"b","provider":"openai","model":"m","priority":10,"weight":1,"health":"up","ttft_ms":120}]`
		if got := asJSON(t, v.Choice.Candidates()); got != candidates {
			t.Errorf("got\n%s\nwant\n%s", got, candidates)
		}
	})
}

func TestRecordOfAPlanThatNoPluginMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b")
		r.selector = func(context.Context, *host.Generation, sdk.Request, []host.Live) (sdk.Plan, error) {
			return sdk.Plan{}, errors.New("no idea")
		}
		p := r.pipeline(t, chooseStep(), callStep())
		for _, tt := range []struct {
			name, channel, want string
			candidates          int
		}{
			{name: "the selector failed", candidates: 2, want: `{"step":"choose","source":"declared","tiers":[` +
				`{"balance":"least_load","picks":[{"channel":"a","model":"m","weight":1,"reason":"declared order"}]},` +
				`{"balance":"least_load","picks":[{"channel":"b","model":"m","weight":1,"reason":"declared order"}]}]}`},
			{name: "only one channel can answer", channel: "b", candidates: 1, want: `{"step":"choose","source":"pinned","tiers":[` +
				`{"balance":"least_load","picks":[{"channel":"b","model":"m","weight":1,"reason":"declared order"}]}]}`},
		} {
			q := request()
			q.Channel = tt.channel
			v := p.Run(context.Background(), q)
			if got := asJSON(t, v.Choice.Record(q.Start)); got != tt.want {
				t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
			}
			if got := v.Choice.Candidates(); len(got) != tt.candidates || got[0].Health != "unknown" || got[0].Priority != 10 {
				t.Errorf("%s: candidates %+v", tt.name, got)
			}
		}
		var none Choice
		if none.Record(time.Now()) != nil || none.Candidates() != nil || none.Headers(nil) != nil {
			t.Error("a request that came to no selector step has a choice")
		}
	})
}

package cli

import (
	"bytes"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/server"
)

func TestRedraw(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		text          string
		rows, columns int
		want          []string
	}{
		{name: "fits", text: "a\nb\n", rows: 10, columns: 80, want: []string{"a", "b"}},
		{name: "too wide", text: "abcdef\näöüß€\n", rows: 10, columns: 4, want: []string{"abcd", "äöüß"}},
		{name: "too high", text: "1\n2\n3\n4\n5\n", rows: 4, columns: 80, want: []string{"1", "2", "... and 3 more"}},
		{name: "just too high", text: "1\n2\n3\n4\n", rows: 4, columns: 80, want: []string{"1", "2", "... and 2 more"}},
		{name: "as high as can be", text: "1\n2\n3\n", rows: 4, columns: 80, want: []string{"1", "2", "3"}},
		{name: "one line", text: "1\n2\n", rows: 1, columns: 80, want: []string{"... and 2 more"}},
		{name: "size not known", text: strings.Repeat("x", 500) + "\n", want: []string{strings.Repeat("x", 500)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := home + strings.Join(tt.want, eraseLine+"\r\n") + eraseLine + "\r\n" + eraseRest
			if got := redraw(tt.text, tt.rows, tt.columns); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestChannelTables(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.Local)
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	list := []server.ChannelStatus{
		{
			Name: "good", Provider: "openai", State: "up", Why: "answered a request", Key: "valid", Models: 7, InFlight: 3, Queued: 1,
			LatencyMS: 812.4, ErrorRate: 0.034, NextProbe: at(83 * time.Second),
			Bans: []server.BanStatus{{Model: "m1", Class: board.RateLimit, Reason: "429", Until: at(10 * time.Second), Times: 2}},
		},
		{
			Name: "bad", Provider: "groq", State: "banned", Why: "auth: 401", Key: "invalid", Models: 2,
			Bans: []server.BanStatus{{Class: board.Auth, Reason: "401", Times: 1}},
		},
		{Name: "tomorrow", Provider: "x", State: "banned", Key: "unknown", Until: at(24 * time.Hour), NextProbe: at(-time.Second), Bans: []server.BanStatus{
			{Class: board.Upstream, Reason: "500", Until: at(24 * time.Hour), Trial: at(2 * time.Second), Times: 1},
		}},
	}
	table := func(write func(*tabwriter.Writer)) string {
		var b bytes.Buffer
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		write(w)
		w.Flush()
		return "\n" + b.String()
	}
	got := table(func(w *tabwriter.Writer) { channelTable(w, list, now) })
	want := `
CHANNEL   PROVIDER  STATE   UNTIL                KEY      MODELS  BUSY  QUEUED  LATENCY  ERRORS  NEXT PROBE  WHY
good      openai    up      -                    valid    7       3     1       812ms    3%      1m23s       answered a request
bad       groq      banned  lifted               invalid  2       0     0       -        -       -           auth: 401
tomorrow  x         banned  2026-07-02 12:00:00  unknown  0       0     0       -        -       now         
`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	got = table(func(w *tabwriter.Writer) { banTable(w, list, now) })
	want = `
CHANNEL   MODEL  CLASS       UNTIL                TRIAL  TIMES  WHY
good      m1     rate_limit  12:00:10             -      2      429
bad       (all)  auth        lifted               -      1      401
tomorrow  (all)  upstream    2026-07-02 12:00:00  2s     1      500
`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestBanRequest(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]server.BanRequest{
		"openai":                    {Channel: "openai"},
		"openai/gpt-4o":             {Channel: "openai", Model: "gpt-4o"},
		"openrouter/openai/gpt-4o":  {Channel: "openrouter", Model: "openai/gpt-4o"},
		"openrouter/openai/gpt-4o/": {Channel: "openrouter", Model: "openai/gpt-4o/"},
	} {
		if got := banRequest(arg); got != want {
			t.Errorf("%s: %+v", arg, got)
		}
	}
}

func TestLimitTable(t *testing.T) {
	t.Parallel()
	share := int64(20)
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	limitTable(w, []server.ChannelStatus{
		{Name: "shared", Limits: []server.LimitStatus{
			{Limit: board.LimitInFlight, Most: 64, Share: &share, Used: 7}, {Limit: board.LimitRequests, Most: 600, Share: new(int64)},
		}},
		{Name: "none"},
		{Name: "alone", Limits: []server.LimitStatus{{Limit: board.LimitTokens, Most: 90000, Used: 1234}}},
	})
	w.Flush()
	want := "CHANNEL  LIMIT      OF ALL  SHARE  USED\n" +
		"shared   in_flight  64      20     7\n" +
		"shared   requests   600     0      0\n" +
		"alone    tokens     90000   all    1234\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func TestTook(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		seconds float64
		want    string
	}{
		{seconds: .0004567, want: "0.457ms"},
		{seconds: .0123456, want: "12.3ms"},
		{seconds: .9876, want: "988ms"},
		{seconds: 1.2345, want: "1.23s"},
		{seconds: 12345.6, want: "12346s"},
	} {
		if got := took(test.seconds); got != test.want {
			t.Errorf("%g s is %s, want %s", test.seconds, got, test.want)
		}
	}
}

// Where nothing was counted there is a dash, and no zero that somebody could
// take for a figure.
func TestStatsTables(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	statsTables(&out, &server.Stats{
		Total: server.PairStats{Requests: 3, First: server.Rate{OK: 2, Failed: 1}},
		Pairs: []server.PairStats{{
			Channel: "a", Model: "gpt", Requests: 3, First: server.Rate{OK: 2, Failed: 1}, Cost: .5, WithoutUsage: 2,
			Duration: &server.Percentiles{Count: 3, P50: .01, P90: .02, P95: .03, P99: 4},
		}},
		Channels: []server.ChannelFigure{{Name: "a", InFlight: 1}},
	})
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"first try 66.7% of 3, retries -, failed first tries made up for -, cache hits -",
		"a gpt 3 0 66.7% of 3 - 10ms 20ms 30ms 4s - - - - -",
		"all - 3 0 66.7% of 3 - - - - - - - - - -",
		"a gpt 0 0 0 0 $0.5000 0 2 0",
		"a 1 - 0 - - - -",
	} {
		found := false
		for _, row := range rows {
			found = found || row == want
		}
		if !found {
			t.Errorf("no row %q in\n%s", want, out.String())
		}
	}
}

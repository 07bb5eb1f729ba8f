package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	r := &report{Go: "go1.26", CPUs: 2, Rounds: 1, Duration: time.Second, Targets: []string{direct, floor, us}, Runs: []runs{
		{load: load{Name: "1 KB, c1"}, Samples: map[string][]sample{
			direct: {{PerSecond: 9000, P50: 10, P99: 20, Strangers: .25}},
			floor:  {{PerSecond: 1000, P50: 60, P99: 300, CPU: 50, RSS: 14 * mebibyte, PSS: 9 * mebibyte, Strangers: .5}},
			us:     {{PerSecond: 1500, P50: 50, P99: 200, CPU: 40, RSS: 90 * mebibyte, PluginCalls: 1.5}},
		}},
		{load: load{Name: "streams", Stream: true}, Samples: map[string][]sample{
			direct: {{PerSecond: 9000, P50: 10, P99: 20}},
			floor:  {{PerSecond: 8000, P50: 60, P99: 300, CPU: 2, Errors: 3, Error: "unexpected EOF"}},
			us:     {{PerSecond: 8000, P50: 60, P99: 300, CPU: 1}},
		}},
		{load: load{Name: "equal", of: []string{us, cached}}, Samples: map[string][]sample{
			us:     {{PerSecond: 1500, P50: 50, CPU: 40, PluginCalls: 1}},
			cached: {{PerSecond: 3000, P50: 20, CPU: 15}},
		}},
	}}
	var out strings.Builder
	r.print(&out)
	const want = `go1.26, 2 CPUs shared by all parts, medians of 1 rounds of 1s; in brackets: x of the floor (httputil.ReverseProxy) in the same round

| load | target | requests/s | CPU us per request | added p50 us | added p99 us | RSS / PSS MiB | errors | plugin calls per 10,000 requests |
|---|---|---:|---:|---:|---:|---:|---:|---:|
| 1 KB, c1 | direct | 9000 (9.00) |  | p50 10 | p99 20 |  | 0 |  |
| 1 KB, c1 | floor | 1000 (1.00) | 50.0 (1.00) | 50 | 280 | 14 / 9 | 0 |  |
| 1 KB, c1 | smartrouter | 1500 (1.50) | 40.0 (0.80) | 40 | 180 | 90 / ? | 0 | 1.5 |

| load | target | chunks/s | CPU us per chunk | added TTFT p50 us | added TTFT p99 us | RSS / PSS MiB | errors | plugin calls per 10,000 requests |
|---|---|---:|---:|---:|---:|---:|---:|---:|
| streams | direct | 9000 (1.12) |  | p50 10 | p99 20 |  | 0 |  |
| streams | floor | 8000 (1.00) | 2.0 (1.00) | 50 | 280 | 0 / ? | 3 |  |
| streams | smartrouter | 8000 (1.00) | 1.0 (0.50) | 50 | 280 | 0 / ? | 0 | 0.0 |

| load | configuration | requests/s (x of the first) | CPU us per request | p50 us | calls of plugins per request |
|---|---|---:|---:|---:|---:|
| equal | smartrouter | 1500 (1.00) | 40.0 (+0.0) | 50 (1.00) | 0.00 |
| equal | smartrouter, answers cached | 3000 (2.00) | 15.0 (-25.0) | 20 (0.40) | 0.00 |

Other programs kept 0.00 CPUs busy meanwhile (worst run 0.50): above some 0.2, measure again.
- floor, streams, the first of a run: unexpected EOF
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/batch"
)

func TestProgressTellsRateTimeLeftAndFailures(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out)
	now := time.Unix(1000, 0)
	tell := func(status batch.Status, completed, failed, total int) {
		p.tell(&batch.Batch{Status: status, RequestCounts: batch.Counts{Total: total, Completed: completed, Failed: failed}}, now)
		now = now.Add(time.Second)
	}
	tell(batch.Validating, 0, 0, 0)
	tell(batch.InProgress, 0, 0, 10_000)
	tell(batch.InProgress, 20, 0, 10_000) // no new tenth: not told
	tell(batch.InProgress, 3331, 2, 10_000)
	tell(batch.Completed, 9998, 2, 10_000)
	p.note("waiting")
	p.note("waiting")
	want := `validating
in_progress [------------------------]   0 %  0 of 10,000
in_progress [#######-----------------]  33 %  3,333 of 10,000  1,111/s  6s left  2 failed
completed [########################] 100 %  10,000 of 10,000  2,500/s  2 failed
waiting
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

func TestReachableAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"127.0.0.1:7601": "127.0.0.1:7601", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", ":1": "127.0.0.1:1", "llm.example.com:80": "llm.example.com:80",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

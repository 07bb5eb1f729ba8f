package e2e

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

func exitOf(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func TestPlanShowsWhatAReloadWouldChange(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey, "sk-other"), wall.Models("m"))
	mine := func(rate string) string {
		return "plugin \"selector\" \"mine\" {\n  use = plugin.selector.smart\n  config {\n    max_error_rate = " + rate + "\n  }\n}\n" + choosing("mine")
	}
	r := startRouter(t, listen+channel("first", w.URL(), upstreamKey)+mine("0.2"))
	if out, err := r.command("plan", "--detailed-exitcode"); err != nil || !strings.HasPrefix(out, "nothing would change: ") {
		t.Errorf("%v\n%s", err, out)
	}
	r.rewrite(listen + channel("first", w.URL(), "sk-other", "weight = 3") + channel("second", w.URL(), "sk-other") + mine("0.4"))
	out, err := r.command("plan")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `~ plugin "selector" "mine"
    config.max_error_rate: 0.2 -> 0.4
~ channel "first"
    api_key: *** (changed)
    weight: 1 -> 3
+ channel "second"
! plugin.selector.mine restarts: its config block has changed

1 to add, 2 to change, 0 to remove; 3 of the plugins carried over
`
	if out != want {
		t.Errorf("it says\n%s\nwant\n%s", out, want)
	}
	if out, err := r.command("plan", "--detailed-exitcode"); exitOf(err) != 2 || out != want {
		t.Errorf("exit code %d, want 2\n%s", exitOf(err), out)
	}
	if strings.Contains(string(r.admin("/admin/plan")), "sk-other") {
		t.Error("it tells a secret")
	}
	// It was a look and no more.
	if st := r.status(); len(st.Channels) != 1 || st.Config.Last != nil {
		t.Errorf("something has changed: %+v", st)
	}
	r.mustReload()
	if out, err := r.command("plan", "--detailed-exitcode"); err != nil || !strings.HasPrefix(out, "nothing would change: ") {
		t.Errorf("after the reload: %v\n%s", err, out)
	}
	r.rewrite(listen + channel("first", w.URL(), "sk-other") + mine("4"))
	if out, err := r.command("plan"); exitOf(err) != 1 || !regexp.MustCompile(`router\.hcl:\d+: .*max_error_rate`).MatchString(out) {
		t.Errorf("of what would fail it says %v\n%s", err, out)
	}
	if out, err := cli(t, "plan", "--config", "../../router.hcl", "--data-dir", r.data); err == nil || strings.Contains(out, "channel") {
		t.Errorf("it compares with another file: %v\n%s", err, out)
	}
	if out, err := cli(t, "plan", "--data-dir", t.TempDir(), "--config", r.config); err == nil || !strings.Contains(out, "router") {
		t.Errorf("without a router: %v\n%s", err, out)
	}
}

func TestPluginsAreReloadedAndQuarantinedByHand(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("first", w.URL(), upstreamKey))
	was := pluginAt(r, "plugin.selector.smart")
	out, err := r.command("plugin", "reload", "selector.smart")
	now := pluginAt(r, "plugin.selector.smart")
	if err != nil || now.PID == was.PID || now.State != catalog.Ready {
		t.Errorf("it was %+v and is %+v: %v\n%s", was, now, err, out)
	}
	r.mustAsk("m")
	out, err = r.command("plugin", "quarantine", "smart", "--reason", "it favours the dear ones")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wait(t, "it is out of service", func() bool {
		p := pluginAt(r, "plugin.selector.smart")
		return p.State == catalog.Quarantined && p.PID == 0
	})
	for range 5 {
		r.mustAsk("m") // by on_error
	}
	if out, err := r.command("plugin", "list"); err != nil || !strings.Contains(out, "quarantined") || !strings.Contains(out, "it favours the dear ones") {
		t.Errorf("%v\n%s", err, out)
	}
	r.rewrite(listen + channel("first", w.URL(), upstreamKey, "weight = 2"))
	r.mustReload()
	if p := pluginAt(r, "plugin.selector.smart"); p.State != catalog.Quarantined {
		t.Errorf("a reload has put it back: %+v", p)
	}
	if out, err := r.command("plugin", "unquarantine", "plugin.selector.smart"); err != nil || !strings.Contains(out, "plugin.selector.smart is ready") {
		t.Errorf("%v\n%s", err, out)
	}
	r.mustAsk("m")
	for _, test := range []struct{ name, want string }{
		{"smrt", `there is no plugin "smrt"; there are plugin.adapter.openai, plugin.cache.local`},
		{"plugin.selector", `there is no plugin "plugin.selector"`},
	} {
		if out, err := r.command("plugin", "reload", test.name); err == nil || !strings.Contains(out, test.want) {
			t.Errorf("%s: %v\n%s", test.name, err, out)
		}
	}
}

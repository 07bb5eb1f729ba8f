package catalog

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// What the manifest asks for and what the configuration grants have to agree,
// or it is not there.
func TestNeedsAndGrantsHaveToAgree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, plugin    string
		grants          []string
		want            string // the grants and the secret that it has
		denied, unasked []string
		says            string
	}{
		{name: "asked for and granted", plugin: "asker", grants: []string{sdk.NeedSecret}, want: `[secret] "sk-a" ***`, denied: []string{sdk.NeedBilledCalls}},
		{
			name: "asked for and not granted", plugin: "asker", want: `[] "" ***`, denied: []string{sdk.NeedBilledCalls, sdk.NeedSecret},
			says: `plugin needs what it is not granted, and goes without: plugin="prober(asker)" needs=["billed_calls", "secret"]`,
		},
		{
			name: "granted and not asked for", plugin: "modest", grants: []string{sdk.NeedSecret, sdk.NeedPrompt}, want: `[] "" ***`,
			unasked: []string{sdk.NeedSecret, sdk.NeedPrompt},
			says:    `plugin is granted what it does not ask for, and does not get it: plugin="prober(modest)" grants=["secret", "prompt"]`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var log buffer
			c := newCatalog(t, func(o *Options) {
				o.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Info})
				o.Secret = func(channel string) sdk.Secret { return sdk.Secret("sk-" + channel) }
			})
			p := plugin("prober", tc.plugin)
			p.Grants = tc.grants
			i := load(t, c, p).Plugin(p.Address())
			// Nor does it get a secret that somebody left in a channel.
			h, err := i.Prober().Probe(t.Context(), sdk.Channel{Name: "a", Settings: map[string]string{"method": "tell"}, Secret: "left"}, nil)
			if err != nil || h.Reason != tc.want {
				t.Errorf("it has %s, %v, want %s", h.Reason, err, tc.want)
			}
			if s := i.Status(); fmt.Sprint(s.Denied, s.Unasked) != fmt.Sprint(tc.denied, tc.unasked) {
				t.Errorf("status %+v", s)
			}
			if text := log.String(); !strings.Contains(text, tc.says) || strings.Contains(text, "sk-a") {
				t.Errorf("the log has\n%s", text)
			}
		})
	}
}

// A reload that grants less is told of, too, and a restart is not.
func TestGrantsThatAReloadChangesAreTold(t *testing.T) {
	t.Parallel()
	var log buffer
	c := newCatalog(t, func(o *Options) { o.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Info}) })
	p := plugin("prober", "asker")
	p.Grants = []string{sdk.NeedBilledCalls, sdk.NeedSecret}
	load(t, c, p)
	const goesWithout = "plugin needs what it is not granted"
	if text := log.String(); strings.Contains(text, goesWithout) {
		t.Fatalf("the log has\n%s", text)
	}
	less := *p
	less.Grants = []string{sdk.NeedSecret}
	i := load(t, c, &less).Plugin(p.Address())
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is back", func() bool { s := i.Status(); return s.State == Ready && s.Restarts == 1 })
	if text := log.String(); strings.Count(text, goesWithout) != 1 {
		t.Errorf("the log has\n%s", text)
	}
}

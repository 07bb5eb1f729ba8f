package sdk

import (
	"strings"
	"testing"
)

func TestReattachOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"1,4711,unix:/tmp/plugin-debug-1/socket", "1,2,tcp:127.0.0.1:1234", "2,99,tcp:[::1]:80"} {
		if r, err := ParseReattach(good + "\n"); err != nil || r.String() != good {
			t.Errorf("%s: %v, %v", good, r, err)
		}
	}
	for text, why := range map[string]string{
		"":                          "not of the form",
		"1,4711":                    "not of the form",
		"x,4711,unix:/tmp/s":        "no version",
		"1,0,unix:/tmp/s":           "no process",
		"1,-1,unix:/tmp/s":          "no process",
		"1,4711,unix:tmp/s":         "no absolute path",
		"1,4711,tcp:10.0.0.1:80":    "not a loopback address",
		"1,4711,tcp:example.com:80": "not a loopback address",
		"1,4711,tcp:0.0.0.0:80":     "not a loopback address",
		"1,4711,tcp::80":            "not a loopback address",
		"1,4711,udp:127.0.0.1:80":   "neither a unix socket nor loopback",
	} {
		if r, err := ParseReattach(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, %v; want %s", text, r, err, why)
		}
	}
}

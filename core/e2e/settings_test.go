package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// Everything that a reload can change is changed while a stream is open, which
// ends well.
func TestSettingsChangeInARunningRouter(t *testing.T) {
	t.Parallel()
	up, quick := startGated(t), wall.Start(t, wall.Key(upstreamKey), wall.Models("quick"))
	sent := [2]atomic.Int64{}
	collectors := [2]*httptest.Server{}
	for i := range collectors {
		collectors[i] = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/traces" {
				sent[i].Add(1)
			}
		}))
		t.Cleanup(collectors[i].Close)
	}
	file := func(public, admin, rest string) string {
		return fmt.Sprintf("admin { address = %q }\nserver {\n  address = %q\n  %s\n}\n", admin, public, rest) +
			channel("slow", up.URL+"/v1", upstreamKey) + channel("quick", quick.URL(), upstreamKey, `models = ["quick"]`)
	}
	public, admin := freeAddress(t), freeAddress(t)
	r := startRouter(t, file(public, admin, ""))
	oldURL, oldAdmin := r.URL, r.Admin
	begun, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- r.stream(t.Context(), "m", func() { begun <- struct{}{} }) }()
	select {
	case <-begun:
	case err := <-ended:
		t.Fatal(err)
	}

	// Both listeners move; commands find the new one.
	public, admin = freeAddress(t), freeAddress(t)
	r.rewrite(file(public, admin, ""))
	r.mustReload()
	r.URL, r.Admin = "http://"+public+"/v1", "http://"+admin
	r.mustAsk("quick")
	for _, old := range []string{oldURL, oldAdmin} {
		if c, err := net.DialTimeout("tcp", strings.TrimSuffix(strings.TrimPrefix(old, "http://"), "/v1"), time.Second); err == nil {
			c.Close()
			t.Errorf("%s still listens", old)
		}
	}
	if out, err := r.command("status"); err != nil || !strings.Contains(out, "quick") {
		t.Errorf("status at the new address: %v\n%s", err, out)
	}

	// An address that somebody has changes nothing.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r.rewrite(file(taken.Addr().String(), admin, "max_body = \"1KiB\""))
	if out, err := r.command("reload"); err == nil || !strings.Contains(out, "server.address") || !strings.Contains(out, "in use") {
		t.Errorf("a taken address: %v\n%s", err, out)
	}
	r.mustAsk("quick")

	// Limits and time-outs.
	r.rewrite(file(public, admin, "max_body = \"1KiB\"\n  header_timeout = \"300ms\"\n  idle_timeout = \"300ms\""))
	r.mustReload()
	resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("quick", false, strings.Repeat("x", 2000)))
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("max_body: %v %v\n%s", resp, err, body)
	}
	slow, err := net.Dial("tcp", public)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "POST /v1/chat")
	slow.SetReadDeadline(time.Now().Add(waitLimit))
	if _, err := slow.Read(make([]byte, 1)); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("header_timeout: a head that does not come is waited for")
	}

	// Telemetry on, elsewhere, and off; the log's level.
	for i, c := range collectors {
		r.rewrite(file(public, admin, "") + fmt.Sprintf("telemetry { endpoint = %q }\nlog { level = \"debug\" }\n", c.URL))
		r.mustReload()
		r.mustAsk("quick")
		if i == 0 {
			continue // what it has is sent when the next one takes its place
		}
		wait(t, "the first collector got the trace", func() bool { return sent[0].Load() > 0 })
		r.rewrite(file(public, admin, ""))
		r.mustReload()
		wait(t, "the second collector got the trace", func() bool { return sent[1].Load() > 0 })
	}
	r.says("[DEBUG] smartrouter.server: request") // log.level is obeyed
	r.rewrite(file(public, admin, "") + "log { json = true }\n")
	if out, err := r.command("reload"); err != nil || !strings.Contains(out, "note: log.json has changed and needs a restart") {
		t.Errorf("%v\n%s", err, out)
	}

	up.release()
	if err := <-ended; err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}

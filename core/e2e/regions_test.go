package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// TestRegions has a channel in each of three regions, and callers who say where
// they are by header, by key and not at all.
func TestRegions(t *testing.T) {
	t.Parallel()
	walls := make(map[string]*wall.Wall)
	hcl := strings.Replace(listen, `server { address = "127.0.0.1:0" }`, `
server {
  address = "127.0.0.1:0"
  region  = "ap-northeast-1"
}
key "anywhere" { secret = "sk-anywhere-0123456789" }
key "alice" {
  secret = "sk-alice-0123456789"
  region = "eu-west-1"
}
bans {
  upstream = "1s"
}
`, 1)
	for _, region := range []string{"us-east-1", "eu-west-1", "ap-northeast-1"} {
		walls[region] = wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
		hcl += channel(region, walls[region].URL(), upstreamKey, fmt.Sprintf("region = %q", region))
	}
	r := startRouter(t, hcl+answersPipeline(""))
	anywhere := []string{"Authorization", "Bearer sk-anywhere-0123456789"}
	alice := []string{"Authorization", "Bearer sk-alice-0123456789"}
	answeredBy := func(header ...string) string {
		t.Helper()
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "Hello"), header...)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, body)
		}
		return resp.Header.Get("X-Smartrouter-Channel")
	}
	at := func(region string) []string { return append([]string{"X-Smartrouter-Region", region}, anywhere...) }

	tests := []struct {
		name   string
		header []string
		want   string
	}{
		{"the server's region", anywhere, "ap-northeast-1"},
		{"the key's region", alice, "eu-west-1"},
		{"the header's region", at("us-east-1"), "us-east-1"},
		{"the header goes before the key", append([]string{"X-Smartrouter-Region", "us-east-1"}, alice...), "us-east-1"},
		{"a region of another cloud", at("westeurope"), "eu-west-1"},
	}
	for _, tt := range tests {
		for range 5 {
			if got := answeredBy(tt.header...); got != tt.want {
				t.Errorf("%s: %s answers, want %s", tt.name, got, tt.want)
			}
		}
	}

	walls["eu-west-1"].Break(wall.Status(500))
	for range 5 {
		if got := answeredBy(alice...); got != "us-east-1" {
			t.Errorf("with Dublin failing, %s answers, want us-east-1", got)
		}
	}
	walls["eu-west-1"].Mend()
	wait(t, "Dublin answers again", func() bool { return answeredBy(alice...) == "eu-west-1" })
}

// A plan is leased by the caller's region, which is the caller's to write: names
// that nobody knows, and odd spellings of those that somebody does, have no plan
// of their own.
func TestMadeUpRegionsCostNoPluginCall(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("dublin", w.URL(), upstreamKey, `region = "eu-west-1"`)+
		channel("cellar", w.URL(), upstreamKey, `region = "the-cellar"`)+answersPipeline(""))
	from := func(region string) string {
		t.Helper()
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "Hello"), "X-Smartrouter-Region", region)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, body)
		}
		return resp.Header.Get("X-Smartrouter-Channel")
	}
	for region, want := range map[string]string{"eu-west-2": "dublin", "the-cellar": "cellar"} {
		for _, spelled := range []string{region, strings.ToUpper(region), strings.ToTitle(region[:3]) + region[3:]} {
			if got := from(spelled); got != want {
				t.Errorf("from %s: %s answers, want %s", spelled, got, want)
			}
		}
	}
	for i := range 100 {
		from(fmt.Sprintf("moon-%d", i))
	}
	// One for each of the two regions, and one for nowhere.
	if n := r.kind("plans").Misses; n != 3 {
		t.Errorf("%d plans were asked for, want 3", n)
	}
}

func TestExplainTellsTheDistance(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	hcl := strings.Replace(listen, `server { address = "127.0.0.1:0" }`, `
server {
  address = "127.0.0.1:0"
  region  = "eu-west-1"
}
`, 1)
	hcl += channel("london", w.URL(), upstreamKey, `region = "eu-west-2"`) + answersPipeline("")
	request := write(t, "request.json", `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`)
	out, err := cli(t, "explain", "--config", write(t, "router.hcl", hcl), "--data-dir", filepath.Join(t.TempDir(), "data"), request)
	if err != nil || !strings.Contains(out, "466 km") {
		t.Errorf("%v\n%s", err, out)
	}
}

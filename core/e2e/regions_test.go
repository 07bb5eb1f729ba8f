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
	r := startRouter(t, hcl)
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

func TestExplainTellsTheDistance(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	hcl := strings.Replace(listen, `server { address = "127.0.0.1:0" }`, `
server {
  address = "127.0.0.1:0"
  region  = "eu-west-1"
}
`, 1)
	hcl += channel("london", w.URL(), upstreamKey, `region = "eu-west-2"`)
	request := write(t, "request.json", `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`)
	out, err := cli(t, "explain", "--config", write(t, "router.hcl", hcl), "--data-dir", filepath.Join(t.TempDir(), "data"), request)
	if err != nil || !strings.Contains(out, "466 km") {
		t.Errorf("%v\n%s", err, out)
	}
}

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/plugins/debiantest"
)

var ensurePrometheus = sync.OnceValue(debiantest.Package{
	Name: "prometheus", Programs: []string{"prometheus", "promtool"}, PID: "/run/prometheus/prometheus.pid",
}.Ensure)

// monitoring is what is shipped for Prometheus and Grafana.
const monitoring = "../../docs/monitoring"

// prometheus is a running one that scrapes a router.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus runs the shipped configuration against the router.
func startPrometheus(t *testing.T, r *router, flags ...string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	shipped, err := os.ReadFile(filepath.Join(monitoring, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := string(shipped)
	for from, to := range map[string]string{
		"data/admin.token":     filepath.Join(r.data, "admin.token"),
		"127.0.0.1:7602":       strings.TrimPrefix(r.Admin, "http://"),
		"scrape_interval: 15s": "scrape_interval: 1s\n  evaluation_interval: 1s",
	} {
		if !strings.Contains(cfg, from) {
			t.Fatalf("no %q in prometheus.yml", from)
		}
		cfg = strings.Replace(cfg, from, to, 1)
	}
	rules, err := os.ReadFile(filepath.Join(monitoring, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prometheus.yml": cfg, "alerts.yml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus.yml"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("promtool check config: %v\n%s", err, out)
	}
	address := freeAddress(t)
	var said log
	cmd := exec.Command("prometheus", append([]string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "tsdb"),
		"--web.listen-address=" + address,
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", &said)
		}
	})
	p := &prometheus{t: t, url: "http://" + address}
	wait(t, "prometheus is ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// sample is one of a query's answer.
type sample struct {
	Metric map[string]string
	Value  []any // time, text
	// Histogram is there where the value is a native one.
	Histogram []any
}

// ask runs a query. It fails the test where Prometheus can't.
func (p *prometheus) ask(query string) []sample {
	p.t.Helper()
	var out struct{ Result []sample }
	p.get("/api/v1/query?query="+url.QueryEscape(query), &out)
	return out.Result
}

func (p *prometheus) get(path string, data any) {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Status != "success" {
		p.t.Fatalf("%s: %v %s", path, err, body.Error)
	}
	if err := json.Unmarshal(body.Data, data); err != nil {
		p.t.Fatalf("%s: %v\n%s", path, err, body.Data)
	}
}

// dashboard is what is read of Grafana's file.
type dashboard struct {
	Title      string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID      int
		Title   string
		Type    string
		Targets []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, has another's id, no title or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
	}
	return d
}

// TestMonitoring loads the alert rules and each query of the dashboard into a
// real Prometheus that scrapes a real router, by both kinds of histogram.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	if err := ensurePrometheus(); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("promtool", "check", "rules", filepath.Join(monitoring, "alerts.yml"))
	if out, err := check.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("SUCCESS")) {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
	test := exec.Command("promtool", "test", "rules", "testdata/monitoring/alerts.test.yml")
	if out, err := test.CombinedOutput(); err != nil {
		t.Fatalf("promtool test rules: %v\n%s", err, out)
	}
	d := readDashboard(t)

	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	a.Break(wall.Status(500).On("/v1/chat").Every(3))
	r := startRouter(t, `
server { address = "127.0.0.1:0" }
admin  { address = "127.0.0.1:0" }
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "10m"
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`+channel("a", a.URL(), upstreamKey, "priority = 1", `price "m" {`, "  input = 2", "  output = 8", "}")+
		channel("b", b.URL(), upstreamKey, "priority = 2"))
	for _, test := range []struct {
		name   string
		flags  []string
		native bool
	}{
		{name: "native histograms", flags: []string{"--enable-feature=native-histograms"}, native: true},
		{name: "classic histograms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startPrometheus(t, r, test.flags...)
			// What a rate is made of needs two scrapes, with requests between them.
			wait(t, "the router is scraped", func() bool {
				up := p.ask(`up{job="smartrouter"}`)
				return len(up) == 1 && up[0].Value[1] == "1"
			})
			sent := 0
			wait(t, "the requests are in the histograms", func() bool {
				for range 4 {
					sent++
					body := strings.TrimSuffix(string(chatBody("m", true, fmt.Sprint(test.name, sent))), "}") + `,"stream_options":{"include_usage":true}}`
					if resp, answer, err := r.post(t.Context(), "/chat/completions", []byte(body)); err != nil || resp.StatusCode != http.StatusOK {
						t.Fatalf("%v %s", err, answer)
					}
				}
				name := "smartrouter_output_tokens_per_second"
				if !test.native {
					return len(p.ask("rate("+name+"_bucket[1m]) > 0")) > 0
				}
				native := p.ask(name)
				return len(native) > 0 && len(native[0].Histogram) == 2 && len(p.ask("histogram_count(rate("+name+"[1m])) > 0")) > 0
			})
			p.checkDashboard(&d)
			p.checkRules()
		})
	}
}

var variable = regexp.MustCompile(`\$\w+|\$\{\w+\}`)

// mayBeEmpty are queries about what need not happen.
var mayBeEmpty = regexp.MustCompile(`smartrouter_(rescues|requests_shed|banned|queue_wait_seconds|recoveries)`)

// checkDashboard asks what each panel does.
func (p *prometheus) checkDashboard(d *dashboard) {
	p.t.Helper()
	known := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$channel", ".*")
	queries := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			query := known.Replace(target.Expr)
			if v := variable.FindString(query); v != "" {
				p.t.Errorf("%s: nobody knows %s", panel.Title, v)
				continue
			}
			queries++
			if mayBeEmpty.MatchString(query) {
				p.ask(query)
				continue
			}
			// On a busy machine the scrape that shows it may be to come.
			wait(p.t, fmt.Sprintf("%s has data for %s", panel.Title, query), func() bool { return len(p.ask(query)) > 0 })
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		of, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Query, "label_values("), ")"), ", ")
		if len(p.ask(fmt.Sprintf("count by (%s) (%s)", label, of))) == 0 {
			p.t.Errorf("the variable %s has no values", v.Name)
		}
	}
	if queries < 30 {
		p.t.Errorf("the dashboard has only %d queries", queries)
	}
}

// checkRules waits until each rule was evaluated, by no error.
func (p *prometheus) checkRules() {
	p.t.Helper()
	type group struct {
		Rules []struct{ Name, Health, LastError string }
	}
	wait(p.t, "all rules are evaluated", func() bool {
		var out struct{ Groups []group }
		p.get("/api/v1/rules", &out)
		n := 0
		for _, g := range out.Groups {
			for _, rule := range g.Rules {
				if rule.Health == "err" {
					p.t.Fatalf("%s: %s", rule.Name, rule.LastError)
				}
				if rule.Health == "ok" {
					n++
				}
			}
		}
		return n >= 10
	})
}

// Each metric that rules and dashboard name is one of the router's.
func TestMonitoringNamesOurMetrics(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		b, err := os.ReadFile(filepath.Join(monitoring, file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`smartrouter_\w+`).FindAllString(string(b), -1)
		if len(names) < 10 {
			t.Errorf("%s names only %v", file, names)
		}
		for _, name := range names {
			if !bytes.Contains(docs, []byte("`"+strings.TrimSuffix(name, "_bucket")+"`")) {
				t.Errorf("%s names %s, which docs/metrics.md does not know", file, name)
			}
		}
	}
}

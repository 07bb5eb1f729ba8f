package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/replay"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// backwards is the selector in testdata, built once.
var backwards = sync.OnceValues(func() (string, error) {
	program := filepath.Join(filepath.Dir(binary), "backwards")
	build := exec.Command("go", "build", "-o", program, "./testdata/backwards")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// backwardsPlugin is its block.
func backwardsPlugin(t *testing.T) string {
	t.Helper()
	program, err := backwards()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("plugin \"selector\" \"backwards\" { command = [%q] }\n", program)
}

// records are the lines of a file, and what is wrong with others. It waits until
// there are n.
func records(t *testing.T, path string, n int) (all []*decision.Decision, bad []string) {
	t.Helper()
	wait(t, fmt.Sprintf("%d records in %s", n, filepath.Base(path)), func() bool {
		all, bad = nil, nil
		f, err := os.Open(path)
		if err != nil {
			return false
		}
		defer f.Close()
		in := decision.NewReader(f)
		for {
			d, err := in.Next()
			switch {
			case errors.Is(err, io.EOF):
				return len(all) >= n
			case err != nil:
				bad = append(bad, err.Error())
			default:
				all = append(all, d)
			}
		}
	})
	return all, bad
}

// patientSteps choose by the selector however busy the machine is.
func patientSteps(rest string) string {
	return `
pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    timeout = "20s"
    ` + rest + `
  }
  step "call" { run = provider.adapter }
}
`
}

const callerSecret = "sk-caller-secret-0123456789"

// pricedChannels are a, which is dear and goes first, and b.
func pricedChannels(a, b *wall.Wall, models string) string {
	return channel("a", a.URL(), upstreamKey, models, "priority = 1", `price "*" {`, "  input = 10", "  output = 20", "}") +
		channel("b", b.URL(), upstreamKey, models, "priority = 2", `price "*" {`, "  input = 1", "  output = 2", "}")
}

func TestDecisionRecordsTellWhatHappened(t *testing.T) {
	t.Parallel()
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	file := filepath.Join(t.TempDir(), "decisions.jsonl")
	hcl := listen + pricedChannels(a, b, `models = ["m"]`) + patientSteps("") + fmt.Sprintf("key \"ann\" { secret = %q }\nrecord { file = %q }\n", callerSecret, file)
	r := startRouter(t, hcl)
	const auth = "Bearer " + callerSecret
	ids := make(map[string]bool)
	ask := func(model string, stream bool, status int) {
		t.Helper()
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody(model, stream, "my secret plan"), "Authorization", auth)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%v, %v, want %d\n%s", err, resp, status, body)
		}
		ids[resp.Header.Get("X-Smartrouter-Decision")] = true
	}
	ask("m", true, 200)
	a.Break(wall.Status(503).On("/v1/chat"))
	ask("m", false, 200)
	a.Mend()
	ask("nobody-has-it", false, 404)

	all, bad := records(t, file, 3)
	if len(bad) > 0 || len(all) != 3 {
		t.Fatalf("%d records, and %q", len(all), bad)
	}
	for _, d := range all {
		if !ids[d.ID] || d.Facts.Key != "ann" || d.Config == "" || d.Pipeline != "default" || d.Time.IsZero() {
			t.Errorf("a record that is not of a request of ann: %+v", d)
		}
	}
	streamed, failedOver, refused := all[0], all[1], all[2]
	if o := streamed.Outcome; o.Status != 200 || !o.Complete || o.Channel != "a" || o.TTFT <= 0 || o.Duration < o.TTFT || !streamed.Facts.Stream {
		t.Errorf("the stream: %+v", streamed)
	}
	if len(streamed.Attempts) != 1 || streamed.Attempts[0].Class != "ok" || streamed.Attempts[0].Status != 200 {
		t.Errorf("tries of the stream: %+v", streamed.Attempts)
	}
	c := streamed.Choice
	if c == nil || c.Plugin != "plugin.selector.smart" || c.PluginVersion == "" || len(c.Tiers) != 2 || c.Tiers[0].Picks[0].Channel != "a" || c.Source != "asked" {
		t.Errorf("the choice: %+v", c)
	}
	exe, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(exe); c.PluginSHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("sha256 of the plugin is %s, of the program %x", c.PluginSHA256, sum)
	}
	if cs := streamed.Candidates; len(cs) != 2 || *cs[0].InputPrice != 10 || cs[1].Channel != "b" || cs[1].Priority != 2 {
		t.Errorf("candidates: %+v", cs)
	}
	tries := failedOver.Attempts
	if len(tries) < 2 || tries[0].Channel != "a" || tries[0].Class != "upstream" || tries[0].Status != 503 || tries[len(tries)-1].Channel != "b" {
		t.Errorf("tries of the second request: %+v", tries)
	}
	o := failedOver.Outcome
	if o.Channel != "b" || o.Tokens == nil || o.Cost == nil {
		t.Fatalf("outcome of the second request: %+v", o)
	}
	if want := (float64(o.Tokens.Input) + 2*float64(o.Tokens.Output)) / 1e6; *o.Cost < want*0.999 || *o.Cost > want*1.001 {
		t.Errorf("%+v cost %v, want %v", o.Tokens, *o.Cost, want)
	}
	if refused.Choice != nil || refused.Outcome.Status != 404 || refused.Outcome.Error != "model_not_found" {
		t.Errorf("the refused request: %+v", refused)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{upstreamKey, callerSecret, "my secret plan"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the records hold %q", secret)
		}
	}
	r.counts(3, "smartrouter_decision_records_total", `result="written"`)

	// A reload grants the prompt and puts the records elsewhere.
	other := file + ".other"
	r.rewrite(strings.Replace(hcl, fmt.Sprintf("{ file = %q }", file), fmt.Sprintf("{\n file = %q\n prompts = true\n}", other), 1))
	r.mustReload()
	ask("m", false, 200)
	all, _ = records(t, other, 1)
	if !strings.Contains(string(all[0].Prompt), "my secret plan") || all[0].Config == streamed.Config || all[0].ID == "" {
		t.Errorf("after the reload: %+v, prompt %s", all[0], all[0].Prompt)
	}
	// One that can't be written to changes nothing.
	r.rewrite(strings.Replace(hcl, file, filepath.Join(file, "no-folder"), 1))
	if out, err := r.command("reload"); err == nil || !strings.Contains(out, "record.file") {
		t.Errorf("reload: %v\n%s", err, out)
	}
	ask("m", false, 200)
	records(t, other, 2)
}

func TestRecordsSurviveKillAndFullDisk(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	small := disk(t, "64k")
	file := filepath.Join(small, "decisions.jsonl")
	hcl := listen + channel("a", w.URL(), upstreamKey) + fmt.Sprintf("record { file = %q }\n", file)
	r := startRouter(t, hcl)
	const n = 300 // more than the disk holds
	for _, err := range r.load(t.Context(), 8, n, "m") {
		t.Errorf("with a full disk: %v", err)
	}
	wait(t, "every record was written or counted", func() bool {
		return r.metric("smartrouter_decision_records_total") == n
	})
	if r.metric("smartrouter_decision_records_total", `result="failed"`) == 0 {
		t.Error("no record failed: the disk is too large for the test")
	}
	r.stop(syscall.SIGKILL)
	// What a kill may leave at the end.
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Stat()
	f.Truncate(info.Size()/2 - 10)
	f.Close()
	all, bad := records(t, file, 1)
	if len(bad) != 1 {
		t.Errorf("%q", bad)
	}
	again := startRouterAt(t, r.config, r.data)
	again.mustAsk("m")
	if now, bad := records(t, file, len(all)+1); len(bad) != 1 || now[len(now)-1].Outcome.Status != 200 {
		t.Errorf("after the restart %d records, %q", len(now), bad)
	}
}

// replayed runs smartrouter replay --json.
func replayed(t *testing.T, args ...string) (out replay.Report, said string, err error) {
	t.Helper()
	said, err = cli(t, append([]string{"replay", "--json", "--timeout", "20s"}, args...)...)
	text := said
	if i := strings.LastIndex(text, "\n}"); i >= 0 {
		text = text[:i+2]
	}
	if e := json.Unmarshal([]byte(text), &out); e != nil {
		t.Fatalf("replay %q: %v, %v\n%s", args, err, e, said)
	}
	return out, said, err
}

func TestReplay(t *testing.T) {
	t.Parallel()
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "poison"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "poison"))
	dir := t.TempDir()
	file := filepath.Join(dir, "decisions.jsonl")
	const models = `models = ["m", "poison"]`
	hcl := listen + pricedChannels(a, b, models) + patientSteps("") + backwardsPlugin(t) + fmt.Sprintf("record { file = %q }\n", file)
	r := startRouter(t, hcl)
	for i := range 10 {
		if err := r.ask(t.Context(), "m", i%2 == 0, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	r.mustAsk("poison")
	b.Break(wall.Status(503).On("/v1/chat")) // b is tried by nobody: a goes first
	r.rewrite(strings.Replace(hcl, "priority = 2", "priority = 0", 1))
	r.mustReload()
	r.mustAsk("m") // at b, which fails, then at a
	records(t, file, 12)
	r.stop(syscall.SIGTERM)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("{\"v\":1,\"id\":\n{\"v\":7}\n")
	f.Close()

	same, said, err := replayed(t, file, "--config", r.config, "--selector", "plugin.selector.smart", "--max-bad-lines", "2")
	if err != nil || same.Records != 12 || same.Replayed != 12 || same.BadLines != 2 || len(same.Bad) != 2 || !strings.Contains(same.Bad[1], ":14: has the version 7") {
		t.Errorf("%v\n%s", err, said)
	}
	own, said, err := replayed(t, file, "--selector", binary+" plugin serve selector/smart", "--max-different", "0", "--max-other-plans", "0", "--max-cost", "0%", "--max-failed", "0", "--max-errors", "0")
	if err != nil || own.Replayed != 12 || own.FirstShare != 0 || own.Cost.Records == 0 || own.Time.P50 <= 0 {
		t.Errorf("the same selector decides otherwise: %v\n%s", err, said)
	}

	for _, selector := range []string{"plugin.selector.backwards", "testdata/backwards"} {
		args := []string{file, "--selector", selector, "--max-different", "10%", "--max-errors", "0", "--max-failed", "1", "--max-cost", "-50%"}
		if strings.HasPrefix(selector, "plugin.") {
			plain := filepath.Join(dir, "router.hcl")
			if err := os.WriteFile(plain, []byte(hcl), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--config", plain)
		}
		other, said, err := replayed(t, args...)
		if err == nil || !strings.Contains(said, "over the limit: --max-different 10%") || !strings.Contains(said, "over the limit: --max-errors 0: 1 plugin errors") || strings.Contains(said, "--max-cost") {
			t.Errorf("%s: %v\n%s", selector, err, said)
		}
		if other.Replayed != 11 || other.PluginErrors != 1 || !strings.Contains(other.Errors[0], "I do not touch poison") || other.DifferentFirst < 10 {
			t.Errorf("%s: %s", selector, said)
		}
		if share, ok := other.Cost.Share(); !ok || other.Cost.Records < 5 || share > -0.5 {
			t.Errorf("%s: cost %+v; b takes a tenth of what a does", selector, other.Cost)
		}
	}

	// Another configuration: b is gone, and a has become cheap.
	next := filepath.Join(dir, "next.hcl")
	text := listen + channel("a", a.URL(), upstreamKey, `models = ["m"]`, `price "*" {`, "  input = 5", "  output = 10", "}")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cheap, said, err := replayed(t, file, "--config", next, "--max-failed", "0")
	if err == nil || cheap.Failures.New != 1 || cheap.Replayed != 12 {
		t.Errorf("nobody has poison any more, and no limit was over: %v\n%s", err, said)
	}
	if share, ok := cheap.Cost.Share(); !ok || share < -0.55 || share > -0.3 {
		t.Errorf("cost %+v at half the price", cheap.Cost)
	}
	people, err := cli(t, "replay", "--timeout", "20s", file, "--config", next)
	for _, want := range []string{"12 records: 12 replayed", "2 lines that are no records", "other first target", "failed requests      0 -> 1, 1 of them new"} {
		if err != nil || !strings.Contains(people, want) {
			t.Errorf("%v: no %q in\n%s", err, want, people)
		}
	}
	for _, mistake := range []struct {
		name string
		args []string
		want string
	}{
		{name: "nothing to ask", args: []string{file}, want: "name a --selector, or a --config"},
		{name: "a limit that is none", args: []string{file, "--selector", "x", "--max-cost", "5"}, want: "is no percentage"},
		{name: "a file that is not there", args: []string{file + ".gone", "--config", next}, want: "no such file"},
		{name: "an unknown plugin", args: []string{file, "--config", next, "--selector", "plugin.selector.nobody"}, want: "declares no selector plugin.selector.nobody"},
		{name: "a folder without a plugin", args: []string{file, "--selector", dir}, want: "holds neither Go source"},
	} {
		if out, err := cli(t, append([]string{"replay"}, mistake.args...)...); err == nil || !strings.Contains(out, mistake.want) {
			t.Errorf("%s: %v\n%s", mistake.name, err, out)
		}
	}
}

func TestShadowAndCanary(t *testing.T) {
	t.Parallel()
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	file := filepath.Join(t.TempDir(), "decisions.jsonl")
	base := listen + pricedChannels(a, b, `models = ["m"]`) + backwardsPlugin(t) + fmt.Sprintf("record { file = %q }\n", file)
	r := startRouter(t, base+patientSteps("shadow = plugin.selector.backwards\n    shadow_sample = 1"))
	for range 20 {
		r.mustAsk("m")
	}
	stats := func() (st server.Stats) {
		t.Helper()
		if err := json.Unmarshal(r.admin("/admin/stats"), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	wait(t, "the shadow was asked about each request", func() bool {
		st := stats()
		return len(st.Shadows) == 1 && st.Shadows[0].First == 20 && st.Shadows[0].Apart == 1
	})
	for _, q := range b.Requests() {
		if q.Method == http.MethodPost {
			t.Errorf("the shadow was obeyed: %s %s", q.Method, q.Path)
		}
	}
	d := stats().Shadows[0].Recent[0]
	if d.Chosen != "a/m" || d.Shadow != "b/m" || d.Why != "from the back" {
		t.Errorf("a disagreement: %+v", d)
	}
	r.counts(20, "smartrouter_shadow_plans_total", `result="first"`, `plugin="plugin.selector.backwards"`)
	if out, err := r.command("stats"); err != nil || !strings.Contains(out, "and would go to b/m by plugin.selector.backwards: from the back") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := r.command("explain", "--model", "m"); err != nil || !strings.Contains(out, "shadow plugin.selector.backwards: 100% of such requests elsewhere first: b/m") {
		t.Errorf("%v\n%s", err, out)
	}
	all, _ := records(t, file, 20)
	told := 0
	for _, d := range all {
		if s := d.Choice.Shadow; s != nil && s.Plugin == "plugin.selector.backwards" && s.PluginVersion == "3.2.1" && (s.Result == "first" || s.Result == "pending") {
			told++
		}
	}
	if told != 20 {
		t.Errorf("%d of 20 records tell of the shadow", told)
	}

	// Half of the conversations go by the canary; then it dies under load.
	r.rewrite(base + patientSteps("headers = [\"x-team\"]\n canary {\n run = plugin.selector.backwards\n percent = 50\n by = \"header:x-team\"\n }"))
	r.mustReload()
	sides := map[string]string{}
	ask := func(team string) error {
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"), "X-Team", team)
		if err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		went := resp.Header.Get("X-Smartrouter-Channel")
		if was, ok := sides[team]; ok && was != went {
			return fmt.Errorf("team %s went to %s and to %s", team, was, went)
		}
		sides[team] = went
		return nil
	}
	byCanary := 0
	for range 2 {
		for i := range 40 {
			team := fmt.Sprint("team ", i)
			if err := ask(team); err != nil {
				t.Error(err)
			}
			if sides[team] == "b" {
				byCanary++
			}
		}
	}
	if byCanary < 20 || byCanary > 60 {
		t.Errorf("%d of 80 requests went by the canary", byCanary)
	}
	r.counts(float64(byCanary), "smartrouter_canary_requests_total", `side="canary"`, `result="ok"`)
	if r.metric("smartrouter_canary_cost_dollars_total", `side="canary"`) >= r.metric("smartrouter_canary_cost_dollars_total", `side="primary"`) {
		t.Error("b takes a tenth of what a does, and costs no less")
	}
	if out, err := r.command("explain", "--model", "m"); err != nil || !strings.Contains(out, "canary plugin.selector.backwards takes 50% of the requests; this one is decided by the ") {
		t.Errorf("%v\n%s", err, out)
	}
	var lost atomic.Int64
	var load sync.WaitGroup
	for i := range 4 {
		load.Go(func() {
			for n := range 100 {
				resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"), "X-Team", fmt.Sprint("load ", i, n))
				if err != nil || resp.StatusCode != 200 {
					lost.Add(1)
					t.Errorf("%v %v %s", err, resp, body)
				}
			}
		})
	}
	for range 3 {
		r.killPlugin("plugin.selector.backwards")
	}
	load.Wait()
	if lost.Load() > 0 {
		t.Errorf("%d requests were lost with the canary", lost.Load())
	}
	if out, err := r.command("stats"); err != nil || !strings.Contains(out, "DECIDED BY") || !strings.Contains(out, "canary") {
		t.Errorf("%v\n%s", err, out)
	}
}

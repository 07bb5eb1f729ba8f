package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// rewrite replaces the router's configuration file, as editors do.
func (r *router) rewrite(hcl string) {
	r.t.Helper()
	next := r.config + ".next"
	if err := os.WriteFile(next, []byte(hcl), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(next, r.config); err != nil {
		r.t.Fatal(err)
	}
}

// command runs a command against the router.
func (r *router) command(args ...string) (string, error) {
	r.t.Helper()
	return cli(r.t, append(args, "--config", r.config, "--data-dir", r.data)...)
}

func (r *router) mustReload() {
	r.t.Helper()
	if out, err := r.command("reload"); err != nil || !strings.Contains(out, "reloaded in ") {
		r.t.Fatalf("reload: %v\n%s", err, out)
	}
}

func TestReloadGoesOverToTheFile(t *testing.T) {
	t.Parallel()
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("first", first.URL(), upstreamKey))
	r.mustAsk("m")
	hash := r.status().Config.Hash

	r.rewrite(listen + channel("second", second.URL(), upstreamKey, `models = ["m", "n"]`) + "key \"me\" { secret = \"a-secret-that-is-long-enough\" }\n")
	r.mustReload()
	if err := r.ask(t.Context(), "m", false, "x"); err == nil || !strings.Contains(err.Error(), "missing_api_key") {
		t.Errorf("a new key is not asked for: %v", err)
	}
	resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "x"), "Authorization", "Bearer a-secret-that-is-long-enough")
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("X-Smartrouter-Channel") != "second" {
		t.Errorf("%v %v\n%s", err, resp, body)
	}
	st := r.status()
	if st.Config.Hash == hash || st.Config.Last == nil || st.Config.Last.Result != server.ReloadApplied || len(st.Channels) != 1 {
		t.Errorf("status is %+v", st)
	}
	if out, err := r.command("reload"); err != nil || !strings.Contains(out, "nothing has changed") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
	if n := r.metric("smartrouter_config_reloads_total", `result="applied"`); n != 1 {
		t.Errorf("%g reloads are counted", n)
	}
}

// Fault 43: the old configuration stays, and everybody is told where the mistake is.
func TestBrokenFileKeepsTheOldConfiguration(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	good := listen + channel("first", w.URL(), upstreamKey)
	r := startRouter(t, good)
	plugins := r.status().Plugins
	for _, test := range []struct{ name, hcl, want string }{
		{"no HCL", good + "channel \"x\" {\n", "router.hcl:"},
		{"a name that is misspelt", good + "channel \"x\" { provider = provider.opnai }\n", `unknown provider "opnai"; did you mean "openai"?`},
		{
			"a plugin that does not start",
			good + "plugin \"selector\" \"mine\" {\n  command = [\"/bin/false\"]\n}\n" + choosing("mine"),
			"ended before its handshake: exit status 1",
		},
		{
			"a plugin whose config is wrong",
			good + "plugin \"selector\" \"mine\" {\n  use = plugin.selector.smart\n  config {\n    max_error_rate = 7\n  }\n}\n" + choosing("mine"),
			"max_error_rate",
		},
		{
			"a plugin that hangs in its start",
			good + "plugin \"selector\" \"mine\" {\n  command = [\"/bin/sleep\", \"1000\"]\n  start_timeout = \"300ms\"\n}\n" + choosing("mine"),
			"did not finish its start within 300ms",
		},
	} {
		r.rewrite(test.hcl)
		before := r.metric("smartrouter_config_reloads_total", `result="failed"`)
		out, err := r.command("reload")
		if err == nil || !strings.Contains(out, test.want) || !strings.Contains(out, "router.hcl:") {
			t.Errorf("%s: the command says %v\n%s", test.name, err, out)
		}
		last := r.status().Config.Last
		if last == nil || last.Result != server.ReloadFailed || !strings.Contains(last.Error, test.want) {
			t.Errorf("%s: the status says %+v", test.name, last)
		}
		if out, err := r.command("status"); err != nil || !strings.Contains(out, " failed, so the file is not what is at work") || !strings.Contains(out, test.want) {
			t.Errorf("%s: status says %v\n%s", test.name, err, out)
		}
		r.says(test.want)
		if n := r.metric("smartrouter_config_reloads_total", `result="failed"`); n != before+1 || r.metric("smartrouter_config_last_reload_successful") != 0 {
			t.Errorf("%s: the metrics say nothing", test.name)
		}
		r.mustAsk("m")
	}
	if now := r.status().Plugins; len(now) != len(plugins) || now[0].PID != plugins[0].PID {
		t.Errorf("plugins were %+v and are %+v", plugins, now)
	}
	r.rewrite(good)
	r.cmd.Process.Signal(syscall.SIGHUP)
	wait(t, "the reload is told of", func() bool { return r.status().Config.Last.Result == server.ReloadUnchanged })
	if r.metric("smartrouter_config_last_reload_successful") != 1 {
		t.Error("the metrics do not say that all is well")
	}
}

// choosing is a pipeline whose selector has this name.
func choosing(selector string) string {
	return "pipeline \"default\" {\n  step \"health\" { run = plugin.prober.models }\n  step \"choose\" { run = plugin.selector." + selector + " }\n  step \"call\" { run = provider.adapter }\n}\n"
}

func TestFilesAreWatchedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key("sk-one", "sk-two"), wall.Models("m"))
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	put := func(key string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("sk-one")
	file := func(rest string) string {
		return listen + "reload {\n  watch    = true\n  debounce = \"50ms\"\n}\n" +
			strings.Replace(channel("a", w.URL(), "KEY", rest), `"KEY"`, `file("`+secret+`")`, 1)
	}
	r := startRouter(t, file(""))
	applied := func() float64 { return r.metric("smartrouter_config_reloads_total", `result="applied"`) }
	asked := func() string {
		r.mustAsk("m")
		all := chatsAt(w)
		return all[len(all)-1].Header.Get("Authorization")
	}
	if got := asked(); got != "Bearer sk-one" {
		t.Errorf("the wall got %q", got)
	}
	r.rewrite(file("weight = 2"))
	wait(t, "its own file was read again", func() bool { return applied() == 1 })
	put("sk-two")
	wait(t, "what it reads with file() was read again", func() bool { return applied() == 2 })
	if got := asked(); got != "Bearer sk-two" {
		t.Errorf("the wall got %q", got)
	}
	r.rewrite("channel")
	wait(t, "a broken file is told of", func() bool { return r.status().Config.Last.Result == server.ReloadFailed })
	r.rewrite(listen + channel("a", w.URL(), "sk-two"))
	wait(t, "and taken once it is whole", func() bool { return applied() == 3 })
	r.rewrite(listen + channel("a", w.URL(), "sk-one"))
	r.mustReload() // by hand, as the file says now
	if applied() != 4 {
		t.Errorf("%g reloads", applied())
	}
}

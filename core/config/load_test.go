package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func parseText(t *testing.T, src string, lookup func(string) (string, bool)) *Config {
	t.Helper()
	c, err := Parse("router.hcl", []byte(src), WithEnv(lookup))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const demo = `channel "demo" { provider = provider.demo }` + "\n"

func TestRouterFile(t *testing.T) {
	t.Parallel()
	const path = "../../router.hcl"
	c, err := Load(path, WithEnv(func(string) (string, bool) { return "", false }))
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Address != "127.0.0.1:7601" || c.Admin.Address != "127.0.0.1:7602" {
		t.Errorf("listens on %s and %s", c.Server.Address, c.Admin.Address)
	}
	for _, ch := range c.Channels {
		if on := ch.Off == ""; on != (ch.Name == "demo") {
			t.Errorf("without any key channel %q is %q", ch.Name, ch.Off)
		}
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	all, err := Load(path, WithEnv(func(string) (string, bool) { return "sk-some-key", true }))
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range all.Channels {
		if ch.Off != "" {
			t.Errorf("with all keys channel %q is off: %s", ch.Name, ch.Off)
		}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"router.hcl": src, "default.hcl": []byte(DefaultPipeline)} {
		if formatted, err := Format(text); err != nil || !bytes.Equal(formatted, text) {
			t.Errorf("%s is not formatted (%v)", name, err)
		}
	}
}

func TestLoadWithoutFile(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "router.hcl"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultPipeline(t *testing.T) {
	t.Parallel()
	c := parseText(t, demo, env)
	if len(c.Pipelines) != 1 || len(c.Routes) != 1 || c.Routes[0].Pipeline != c.Pipelines[0] {
		t.Fatalf("pipelines %v, routes %v", c.Pipelines, c.Routes)
	}
	var kinds []sdk.Kind
	for _, s := range c.Pipelines[0].Steps {
		kinds = append(kinds, s.Kind)
		if s.Timeout <= 0 {
			t.Errorf("step %q has no timeout", s.Name)
		}
		if (s.Plugin == nil) != (s.Kind == sdk.KindAdapter) {
			t.Errorf("step %q runs %v", s.Name, s.Plugin)
		}
	}
	want := []sdk.Kind{sdk.KindProber, sdk.KindCache, sdk.KindSelector, sdk.KindPrechecker, sdk.KindAdapter}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("steps are %v, want %v", kinds, want)
	}
	// Every attribute that a step can have is written out, so that nothing is
	// zero by accident.
	f, body := defaultBody()
	for _, b := range (&reader{}).top(f, body).nested("pipeline", "name")[0].nested("step", "name") {
		kind := kinds[0]
		kinds = kinds[1:]
		for _, name := range stepAttributes(kind) {
			if !b.has(name) && name != "shadow" { // a plugin, and by default none
				t.Errorf("default.hcl does not say %s of the %s step", name, kind)
			}
		}
	}
}

func TestStepTakesDefaults(t *testing.T) {
	t.Parallel()
	c := parseText(t, demo+`pipeline "p" {
  step "pick" { run = plugin.selector.smart }
  step "go" {
    run          = provider.adapter
    max_attempts = 2
  }
}`, env)
	pick, last := c.Pipelines[0].Steps[0], c.Pipelines[0].Steps[1]
	if pick.Timeout != 20*time.Millisecond || pick.OnError != OnErrorStale || pick.Fresh != 5*time.Second || pick.Stale != time.Minute {
		t.Errorf("pick is %+v", pick)
	}
	if want := (Call{
		MaxAttempts: 2, Patience: 5 * time.Second, HoldHeaders: 15 * time.Second, WholeAnswer: mib, ErrorBody: kib,
		Rescue: RescueOff, RescueTimeout: 10 * time.Second,
	}); last.Call != want {
		t.Errorf("call is %+v, want %+v", last.Call, want)
	}
}

// The user's plugin of a first-party name is what the default pipeline runs.
func TestOwnPluginInDefaultPipeline(t *testing.T) {
	t.Parallel()
	c := parseText(t, demo+`plugin "selector" "smart" { command = ["/opt/mine"] }`, env)
	for _, s := range c.Pipelines[0].Steps {
		if s.Kind == sdk.KindSelector && (s.Plugin.Builtin != "" || s.Plugin.Command[0] != "/opt/mine") {
			t.Errorf("it runs %+v", s.Plugin)
		}
	}
}

func TestEveryProvider(t *testing.T) {
	t.Parallel()
	for _, f := range firstProviders {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			extra := ""
			if f.noModels {
				extra = "\n  models = [\"m\"]\n  region = \"us-east-1\""
			}
			if f.adapter == "azure" {
				extra = "\n  base_url = \"https://name.openai.azure.com/openai/v1\"\n  models = [\"m\"]"
			}
			c := parseText(t, fmt.Sprintf("channel \"c\" {\n  provider = provider.%s\n  api_key = \"k\"%s\n}", f.name, extra), env)
			ch := c.Channels[0]
			if ch.Off != "" || ch.Provider.Name != f.name {
				t.Errorf("channel is %+v", ch)
			}
			if f.adapter == "" {
				if p := baseURL(ch.BaseURL); p != nil || strings.HasSuffix(ch.BaseURL, "/") {
					t.Errorf("base URL %q: %v", ch.BaseURL, p)
				}
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	c := parseText(t, `channel "a" {
  provider = provider.openai
  api_keys = [env("ONE"), env("TWO"), " sk-three\n"]
}`, func(name string) (string, bool) { return "sk-one", name == "ONE" })
	type row struct{ name, key, off string }
	var got []row
	for _, ch := range c.Channels {
		got = append(got, row{ch.Name, ch.Secret.Reveal(), ch.Off})
	}
	want := []row{
		{"a-1", "sk-one", ""},
		{"a-2", "", "TWO is not set"},
		{"a-3", "sk-three", ""},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A default that is not used may lack what it likes.
func TestEnvDefault(t *testing.T) {
	t.Parallel()
	const src = `channel "a" {
  provider = provider.openai
  api_key = env("FIRST", env("SECOND"))
}`
	for _, test := range []struct{ name, set, key, off string }{
		{name: "first", set: "FIRST", key: "sk"},
		{name: "second", set: "SECOND", key: "sk"},
		{name: "none", off: "SECOND is not set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ch := parseText(t, src, func(name string) (string, bool) { return "sk", name == test.set }).Channels[0]
			if ch.Secret.Reveal() != test.key || ch.Off != test.off {
				t.Errorf("key %q, off %q", ch.Secret.Reveal(), ch.Off)
			}
		})
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	const src = `key "me" { secret = "0123456789abcdef" }
channel "demo" {
  provider = provider.demo
  api_key  = "sk-one"
}
plugin "cache" "local" {
  config {
    path = env("CACHE_PATH", "a.db")
  }
}
plugin "selector" "smart" {
  command = ["/opt/mine"]
  env     = { TOKEN = "one" }
}
`
	load := func(src string) *Config { return parseText(t, src, env) }
	base := load(src)
	pepper := []byte("pepper")
	print := base.Fingerprint(pepper)
	if print == base.Hash || print == base.Fingerprint([]byte("salt")) {
		t.Error("the fingerprint does not hang on the key")
	}
	for _, same := range []struct{ name, src string }{
		{name: "again", src: src},
		{name: "a comment", src: "# hello\n" + src},
		{name: "layout", src: strings.ReplaceAll(src, "  ", "     ")},
		{name: "the same in other words", src: strings.Replace(src, `env("CACHE_PATH", "a.db")`, `lower("A.DB")`, 1)},
	} {
		if c := load(same.src); c.Hash != base.Hash {
			t.Errorf("%s changes the hash", same.name)
		}
		if load(same.src).Fingerprint(pepper) != print {
			t.Errorf("%s changes the fingerprint", same.name)
		}
	}
	for _, other := range []struct{ name, from, to, plugin string }{
		{name: "a channel's key", from: "sk-one", to: "sk-two"},
		{name: "a caller's key", from: "0123456789abcdef", to: "0123456789abcdeF"},
		{name: "a plugin's config", from: "a.db", to: "b.db", plugin: "plugin.cache.local"},
		{name: "a plugin's environment", from: `"one"`, to: `"two"`, plugin: "plugin.selector.smart"},
	} {
		c := load(strings.Replace(src, other.from, other.to, 1))
		if c.Hash == base.Hash {
			t.Errorf("%s does not change the hash", other.name)
		}
		if c.Fingerprint(pepper) == print {
			t.Errorf("%s does not change the fingerprint", other.name)
		}
		for i, p := range c.Plugins {
			if changed := p.Hash != base.Plugins[i].Hash; changed != (p.Address() == other.plugin) {
				t.Errorf("%s: changed the hash of %s: %v", other.name, p.Address(), changed)
			}
		}
	}
}

// Decision records of today and of next month are to say whether they were made
// by the same configuration.
func TestFingerprintOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	const src = demo + `plugin "cache" "local" {
  config { path = "a.db" }
}
`
	if os.Getenv("SMARTROUTER_TEST_PRINT") != "" {
		fmt.Println(parseText(t, src, env).Fingerprint([]byte("pepper")))
		return
	}
	again := exec.Command(os.Args[0], "-test.run=^TestFingerprintOutlivesTheProcess$")
	again.Env = append(os.Environ(), "SMARTROUTER_TEST_PRINT=1")
	out, err := again.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := parseText(t, src, env).Fingerprint([]byte("pepper")); !strings.Contains(string(out), want) {
		t.Errorf("another process has the fingerprint %s, this one %s", out, want)
	}
}

// Whatever prints a Config prints no secret.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c := parseText(t, demo+`key "me" { secret = "hidden-from-everyone" }
channel "a" {
  provider = provider.openai
  api_key  = "hidden-from-everyone"
}
plugin "selector" "smart" {
  command = ["/opt/mine"]
  env     = { X = "hidden-from-everyone" }
}`, env)
	var printed strings.Builder
	for _, p := range c.Plugins {
		fmt.Fprintf(&printed, "%v %+v %#v %s\n", p.Env, p.Env, p.Env, p.Env)
	}
	for _, v := range []any{*c.Channels[1], *c.Keys[0]} {
		fmt.Fprintf(&printed, "%v %+v %#v\n", v, v, v)
	}
	printed.Write(dump(t, c))
	if strings.Contains(printed.String(), "hidden") {
		t.Errorf("a secret in %s", printed.String())
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, src, want string }{
		{name: "api_key", src: `api_key = "sk-1"`, want: `api_key = "****"`},
		{name: "template", src: `api_key = "a-${env("X")}-b"`, want: `api_key = "**${env("X")}**"`},
		{name: "function", src: `secret = env("NAME")`, want: `secret = env("NAME")`},
		{name: "list", src: "api_keys = [\n  \"a\",\n  \"b\"\n]\nregion = \"eu\"", want: "api_keys = [\n  \"*\",\n  \"*\"\n]\nregion = \"eu\""},
		{name: "object", src: `env = { DB_PASSWORD = "pw", "x-api-key" : "k", HOME = "/" }`, want: `env = { DB_PASSWORD = "**", "x-api-key" : "*", HOME = "/" }`},
		{name: "heredoc", src: "token = <<E\nabc\nE\nx = \"y\"", want: "token = <<E\n***\nE\nx = \"y\""},
		{name: "forgotten quotes", src: `secret = 12345`, want: `secret = *****`},
		{name: "a count", src: `max_tokens = 5`, want: `max_tokens = 5`},
		{name: "others", src: `level = "debug"`, want: `level = "debug"`},
		{name: "broken", src: `api_key = "sk-1`, want: `api_key = "****`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := string(mask([]byte(test.src))); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	got, err := Format([]byte("server{\naddress=\"127.0.0.1:1\"\n  max_body   = \"1MiB\"\n}\n"))
	if want := "server {\n  address  = \"127.0.0.1:1\"\n  max_body = \"1MiB\"\n}\n"; err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	_, err = Format([]byte("server {"))
	wantFirstLine(t, err, "input:1: unclosed configuration block; there is no closing brace for this block before the end of the file. This may be caused by incorrect brace nesting elsewhere in this file")
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "1B": 1, "2KB": 2000, "2KiB": 2048, "1.5 MiB": 3 << 19, "1GiB": 1 << 30, "-1B": -1} {
		if got, p := parseSize(text); p != nil || got != want {
			t.Errorf("size %q is %d (%v), want %d", text, got, p, want)
		}
	}
	for _, text := range []string{"", "5", "MiB", "1TiB", "1mib", "9999999999GiB", "1e3B", "1 2B"} {
		if got, p := parseSize(text); p == nil {
			t.Errorf("size %q is %d", text, got)
		}
	}
	for text, want := range map[string]time.Duration{"0": 0, "20ms": 20 * time.Millisecond, "1h30m": 90 * time.Minute} {
		if got, p := parseDuration(text); p != nil || got != want {
			t.Errorf("duration %q is %s (%v), want %s", text, got, p, want)
		}
	}
	for _, text := range []string{"", "5", "1d", "99999999h", "ms"} {
		if got, p := parseDuration(text); p == nil {
			t.Errorf("duration %q is %s", text, got)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to string
		want     int
	}{
		{from: "", to: "abc", want: 3},
		{from: "claude", to: "claude", want: 0},
		{from: "cluade", to: "claude", want: 1},
		{from: "opnai", to: "openai", want: 1},
		{from: "größe", to: "grosse", want: 3},
		{from: "kitten", to: "sitting", want: 3},
	} {
		if got := distance(test.from, test.to); got != test.want {
			t.Errorf("distance of %q and %q is %d, want %d", test.from, test.to, got, test.want)
		}
		if there, back := distance(test.from, test.to), distance(test.to, test.from); there != back {
			t.Errorf("distance of %q and %q is %d, and %d back", test.from, test.to, there, back)
		}
	}
}

func TestFileFunction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"large": strings.Repeat("x", int(maxFile)+1), "binary": "\xff", "key": "sk-file\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, file, want string }{
		{name: "relative to the config", file: "key"},
		{name: "absolute", file: filepath.Join(dir, "key")},
		{name: "too large", file: "large", want: "larger than 1 MiB"},
		{name: "binary", file: "binary", want: "not UTF-8"},
		{name: "folder", file: ".", want: "no regular file"},
		{name: "endless", file: "/dev/zero", want: "no regular file"},
		{name: "not there", file: "none", want: "no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := fmt.Sprintf("channel \"a\" {\n  provider = provider.openai\n  api_key = file(%q)\n}\n", test.file)
			c, err := Parse(filepath.Join(dir, "router.hcl"), []byte(src), WithEnv(env))
			switch {
			case test.want == "" && (err != nil || c.Channels[0].Secret.Reveal() != "sk-file"):
				t.Errorf("got %+v (%v)", c, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.file+": "+test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A key file of Google's is a credential too, be it on many lines.
func TestAKeyFileIsACredential(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.json"), []byte("{\n  \"type\": \"service_account\",\n  \"private_key\": \"a\\nb\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(dir, "router.hcl"), []byte("channel \"a\" {\n  provider = provider.openai\n  api_key = file(\"key.json\")\n}\n"), WithEnv(env))
	if err != nil || c.Channels[0].Secret.Reveal() != `{"type":"service_account","private_key":"a\nb"}` {
		t.Errorf("got %+v (%v)", c, err)
	}
}

// Loads at the same time share only what never changes.
func TestParseAtTheSameTime(t *testing.T) {
	t.Parallel()
	want := parseText(t, demo, env).Hash
	got := make(chan string)
	const loads = 16
	for range loads {
		go func() {
			c, err := Parse("router.hcl", []byte(demo), WithEnv(env))
			if err != nil {
				got <- err.Error()
				return
			}
			got <- c.Hash
		}()
	}
	for range loads {
		if h := <-got; h != want {
			t.Errorf("hash %s, want %s", h, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/errors/*.hcl", "testdata/valid/*.hcl", "../../router.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Add([]byte(`channel "a" { api_keys = [for k in split(",", env("X")) : upper(k)...] }`))
	f.Add([]byte(`channel "a" { api_keys = env("X") == "" ? [env("Y")] : null }`))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("router.hcl", src, WithEnv(env))
		var ds Diagnostics
		switch {
		case err == nil:
			for _, p := range c.Plugins {
				if _, err := p.Decode(schema); err != nil && !errors.As(err, &ds) {
					t.Errorf("%T: %v", err, err)
				}
				_ = p.Explain([]sdk.ConfigError{{Path: "rule.1.match"}, {Path: "order.1"}, {Path: ""}})
			}
		case !errors.As(err, &ds) || len(ds) == 0:
			t.Errorf("%T: %v", err, err)
		}
		for _, d := range ds {
			if d.Summary == "" || d.File != "router.hcl" && d.Line > 0 {
				t.Errorf("%+v", d)
			}
		}
	})
}

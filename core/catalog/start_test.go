package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	with := func(p *config.Plugin, change func(*config.Plugin)) *config.Plugin { change(p); return p }
	foreign := func() *config.Plugin { return command(t, sdk.KindCache, "plugin", "serve", "cache/echo") }
	exe := foreign().Command[0]
	wrong := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		plugin *config.Plugin
		want   string
	}{
		"prints before the handshake": {
			plugin: script("echo hello, world; " + silent),
			want:   `cache(foreign): printed "hello, world" where its handshake was expected; nothing may be printed to stdout before it`,
		},
		"prints a line without end": {
			plugin: script("head -c 1000000 /dev/zero | tr '\\0' x; " + silent),
			want:   fmt.Sprintf("cache(foreign): printed %q where its handshake was expected; nothing may be printed to stdout before it", strings.Repeat("x", 100)),
		},
		"closes its stdout": {
			plugin: script("exec >&-; " + silent),
			want:   "cache(foreign): closed its stdout before its handshake",
		},
		"speaks another protocol version": {
			plugin: script("echo '1|99|unix|/nowhere|grpc|'; " + silent),
			want:   "cache(foreign): speaks protocol version 99, the router speaks 1 and 2; build it with the router's version of the SDK",
		},
		"speaks net/rpc": {
			plugin: script("echo '1|1|unix|/nowhere|netrpc|'; " + silent),
			want:   `cache(foreign): unsupported plugin protocol "netrpc". Supported: [grpc]`,
		},
		"exits": {
			plugin: script("echo no disk >&2; exit 3"),
			want:   "cache(foreign): ended before its handshake: exit status 3: no disk",
		},
		"panics": {
			plugin: script("printf 'panic: boom\n\ngoroutine 1 [running]:\n' >&2; exit 2"),
			want:   "cache(foreign): ended before its handshake: exit status 2: panic: boom",
		},
		"exits after its handshake": {
			plugin: script("echo '1|1|unix|/nowhere|grpc|'; echo no disk >&2; exit 3"),
			want:   "cache(foreign): ended at its start: exit status 3: no disk",
		},
		"says nothing": {
			plugin: with(script(silent), func(p *config.Plugin) { p.StartTimeout = 100 * time.Millisecond }),
			want:   "cache(foreign): did not finish its start within 100ms",
		},
		"nobody listens at its socket": {
			plugin: script("echo '1|1|unix|/nowhere|grpc|'; " + silent),
			want:   `connect: no such file or directory"`,
		},
		"is of another kind": {
			plugin: command(t, sdk.KindCache, "plugin", "serve", "prober/asker"),
			want:   "cache(foreign): the plugin asker is no cache, its kinds are [prober]",
		},
		"is not there": {
			plugin: with(foreign(), func(p *config.Plugin) { p.Command = []string{"/nowhere/plugin"} }),
			want:   "cache(foreign): program /nowhere/plugin: no such file or directory",
		},
		"is not in the path": {
			plugin: with(foreign(), func(p *config.Plugin) { p.Command = []string{"no-such-plugin"} }),
			want:   "cache(foreign): program no-such-plugin: executable file not found in $PATH",
		},
		"is no program": {
			plugin: with(foreign(), func(p *config.Plugin) { p.Command = []string{"/etc/passwd"} }),
			want:   "cache(foreign): program /etc/passwd: permission denied",
		},
		"has another checksum": {
			plugin: with(foreign(), func(p *config.Plugin) { p.SHA256 = wrong }),
			want:   fmt.Sprintf("cache(foreign): program %s: its sha256 is %s, not %s as configured; it was not started", exe, checksum(t, exe), wrong),
		},
		"is not one of ours": {
			plugin: plugin("cache", "nonsense"),
			want:   "cache(nonsense): ended before its handshake: exit status 2: no such plugin: cache/nonsense",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cat := newCatalog(t)
			_, err := cat.Load(t.Context(), []*config.Plugin{c.plugin})
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("error is  %v\nnot %s", err, c.want)
			}
			eventually(t, "nothing is left", func() bool {
				entries, err := os.ReadDir(cat.folder.path)
				return err == nil && len(entries) == 0
			})
		})
	}
}

func checksum(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestChecksumIsOfWhatRuns(t *testing.T) {
	t.Parallel()
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	exe := p.Command[0]
	p.SHA256 = strings.ToUpper(checksum(t, exe))
	link := filepath.Join(t.TempDir(), "plugin")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	p.Command[0] = link
	i := load(t, newCatalog(t), p).Plugin(p.Address())
	running, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", i.Status().PID))
	if err != nil || running != exe {
		t.Errorf("%q runs, not %q: %v", running, exe, err)
	}

	// What is hashed stays open: another file in its place is not executed.
	prog, err := newProgram(nil, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer prog.close()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/false", link); err != nil {
		t.Fatal(err)
	}
	if same, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", prog.file.Fd())); err != nil || !os.SameFile(same, stat(t, exe)) {
		t.Errorf("the program is another file now: %v", err)
	}
}

func TestChecksumOfWhatAnyoneMayWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := openChecked(path, pin{sha256: checksum(t, path)}); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("error is %v", err)
	}
}

func stat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Not parallel: it sets the environment.
func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-secret")
	t.Setenv("TZ", "Europe/Zurich")
	t.Setenv("LANG", "C")
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	p.Env = map[string]string{"TEAM": "a", "LANG": "de_CH", sdk.EnvLifeline: "99"}
	i := load(t, newCatalog(t), p).Plugin(p.Address())

	var names []string
	env := strings.Split(ask(t, i, "environment"), "\n")
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"LANG", "PATH", "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR",
		sdk.EnvLogLevel, "TEAM", "TZ",
	}
	for _, name := range host.Inherited {
		if _, ok := os.LookupEnv(name); ok && !slices.Contains(want, name) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("environment has %q, not %q", names, want)
	}
	for _, v := range []string{"TEAM=a", "LANG=de_CH", "TZ=Europe/Zurich"} {
		if !slices.Contains(env, v) {
			t.Errorf("no %s in %q", v, env)
		}
	}
}

func TestOutputIsLogged(t *testing.T) {
	t.Parallel()
	var log buffer
	c := newCatalog(t, func(o *Options) {
		o.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Info, DisableTime: true})
	})
	i := loadEcho(t, c)
	pid := i.Status().PID
	if _, _, err := i.Cache().Get(t.Context(), "log", "look here"); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("[WARN]  look here: pid=%d plugin=\"cache(echo)\" key=value\n", pid)
	eventually(t, "its line is logged", func() bool { return strings.Contains(log.String(), line) })

	// 50,000 lines and one of 200 KB: the plugin is not held up for long, and
	// answers after it.
	if _, _, err := i.Cache().Get(t.Context(), "flood", "50000"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the long line is cut or dropped, and the rest counted", func() bool {
		_, _, err := i.Cache().Get(t.Context(), "log", "after it")
		return err == nil && strings.Contains(log.String(), "dropped_lines=") && strings.Contains(log.String(), "after it")
	})
	if n := strings.Count(log.String(), "flood "); n < outputLinesBurst/2 || n > outputLinesBurst+20*outputLines {
		t.Errorf("%d lines of the flood were logged", n)
	}
	if s := i.Status(); s.PID != pid || s.Epoch != 1 {
		t.Errorf("it was restarted: %+v", s)
	}
}

// hcl parses a configuration whose plugin cache.foreign has this config block.
func hcl(t testing.TB, block string) []*config.Plugin {
	t.Helper()
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	text := fmt.Sprintf(`
plugin "cache" "foreign" {
  command = [%q, "plugin", "serve", "cache/echo"]
  config {
    %s
  }
}
store { cache = plugin.cache.foreign }
channel "demo" { provider = provider.demo }
`, p.Command[0], block)
	cfg, err := config.Parse("router.hcl", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(cfg.Plugins, func(p *config.Plugin) bool { return p.Name != "foreign" })
}

func TestConfigMistakesHaveFileAndLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ block, want string }{
		"by the schema":   {block: `greetin = "hi"`, want: `router.hcl:5: unknown attribute "greetin"`},
		"by the plugin":   {block: `greeting = "rude"`, want: "router.hcl:5: plugin.cache.foreign: greeting: is rude"},
		"of a wrong type": {block: `greeting = ["hi"]`, want: "router.hcl:5: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cat := newCatalog(t)
			_, err := cat.Load(t.Context(), hcl(t, c.block))
			var mistakes config.Diagnostics
			if !errors.As(err, &mistakes) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("Load says  %v\nnot %s", err, c.want)
			}
			if checked := cat.Check(t.Context(), hcl(t, c.block)); checked == nil || checked.Error() != err.Error() {
				t.Errorf("Check says %v", checked)
			}
		})
	}
}

func TestCheckStartsNothing(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	if err := c.Check(t.Context(), hcl(t, `greeting = "hi"`)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.options.DataDir, "plugins")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a data folder: %v", err)
	}
}

package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// locked is a foreign echo that a script starts: a program and another file.
func locked(t *testing.T) (p *config.Plugin, script string) {
	t.Helper()
	echo := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	script = filepath.Join(t.TempDir(), "run.sh")
	if err := os.WriteFile(script, []byte(`exec "$@"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = command(t, sdk.KindCache)
	p.Command = append([]string{"/bin/sh", script}, echo.Command...)
	p.Lock = &config.LockedPlugin{Kind: p.Kind, Name: p.Name, Version: "1.2.3"}
	for _, path := range p.Files() {
		p.Lock.Files = append(p.Lock.Files, config.LockedFile{Path: path, SHA256: checksum(t, path)})
	}
	if len(p.Lock.Files) != 3 {
		t.Fatalf("files are %v", p.Files())
	}
	return p, script
}

func change(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("# another line\n"); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsLockedRunsUnchangedOnly(t *testing.T) {
	t.Parallel()
	const remedy = "as in plugins.lock.hcl; it was not started; if that is wanted: smartrouter plugin install"
	for name, c := range map[string]struct {
		change func(p *config.Plugin, script string)
		want   string // the end of the error; empty: it starts
	}{
		"as installed": {change: func(*config.Plugin, string) {}},
		"another file changed": {
			change: func(_ *config.Plugin, script string) { change(t, script) },
			want:   remedy,
		},
		"the program changed": {
			change: func(p *config.Plugin, _ string) { p.Lock.Files[0].SHA256 = strings.Repeat("0", 64) },
			want:   remedy,
		},
		"a file is gone": {
			change: func(_ *config.Plugin, script string) { os.Remove(script) },
			want:   "no such file or directory",
		},
		"a file that was not there": {
			change: func(p *config.Plugin, _ string) { p.Command = append(p.Command, "/etc/passwd") },
			want:   "file /etc/passwd: it is not in plugins.lock.hcl, other files of the plugin are; if that is wanted: smartrouter plugin install",
		},
		"another version": {
			change: func(p *config.Plugin, _ string) { p.Lock.Version = "1.2.2" },
			want:   "cache(foreign): its version is 1.2.3, not 1.2.2 as in plugins.lock.hcl; if that is wanted: smartrouter plugin install",
		},
		"another checksum in the configuration": {
			change: func(p *config.Plugin, _ string) { p.SHA256 = strings.Repeat("0", 64) },
			want:   "as configured; it was not started",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, script := locked(t)
			c.change(p, script)
			_, err := newCatalog(t).Load(t.Context(), []*config.Plugin{p})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), c.want)) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// A file that changes while the plugin runs is refused at the next start, and
// at a reload, after which the old process runs on.
func TestLockedFileChangesUnderARunningPlugin(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{First: time.Millisecond, Max: time.Millisecond, Crashes: 3, Window: time.Minute, Quarantine: time.Hour}
	})
	p, script := locked(t)
	i := load(t, c, p).Plugin(p.Address())
	ask(t, i, "pid")
	change(t, script)
	if _, err := c.Load(t.Context(), []*config.Plugin{p}); err == nil || !strings.Contains(err.Error(), script+": its sha256 is ") {
		t.Errorf("a reload says %v", err)
	}
	ask(t, i, "pid")
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is quarantined", func() bool { return i.Status().State == Quarantined })
	if s := i.Status(); !strings.Contains(s.LastExit, "smartrouter plugin install") {
		t.Errorf("status says %q", s.LastExit)
	}
	// Installed as it is now, it runs after the next reload.
	again := *p
	again.Lock = &config.LockedPlugin{Kind: p.Kind, Name: p.Name, Version: "1.2.3"}
	for _, path := range p.Files() {
		again.Lock.Files = append(again.Lock.Files, config.LockedFile{Path: path, SHA256: checksum(t, path)})
	}
	ask(t, load(t, c, &again).Plugin(p.Address()), "pid")
}

// Asked what they are, plugins start nothing.
func TestDescribe(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	bare := command(t, "", "plugin", "serve", "cache/echo")
	manifests, errs := c.Describe(t.Context(), []*config.Plugin{plugin("prober", "asker"), bare, script("exit 3")})
	if errs[0] != nil || manifests[0].Name != "asker" || errs[1] != nil || manifests[1].Version != "1.2.3" {
		t.Errorf("got %+v, %v", manifests, errs)
	}
	if errs[2] == nil || !strings.Contains(errs[2].Error(), "exit status 3") {
		t.Errorf("got %v", errs[2])
	}
	if _, err := os.Stat(filepath.Join(c.options.DataDir, "plugins")); err == nil {
		t.Error("there is a data folder")
	}
}

package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPluginOverItsMemoryDiesAlone(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	greedy, other := plugin("cache", "echo"), plugin("cache", "deaf")
	greedy.Limits.Memory = 256 << 20
	set := load(t, c, greedy, other)
	i, neighbour := set.Plugin(greedy.Address()), set.Plugin(other.Address())
	was, its := i.Status(), neighbour.Status()
	fork, err := strconv.Atoi(ask(t, i, "fork"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.Cache().Get(t.Context(), "hog", "300"); err != nil && !errors.As(err, new(Down)) {
		t.Fatal(err)
	}
	eventually(t, "it is another process", func() bool { s := i.Status(); return s.State == Ready && s.PID != was.PID })
	s := i.Status()
	if !strings.HasPrefix(s.LastExit, "used ") || !strings.HasSuffix(s.LastExit, `MiB of memory, and memory = "256MiB"`) || s.MemoryKills != 1 || s.Restarts != 1 {
		t.Errorf("status %+v", s)
	}
	eventually(t, "what it started is dead", func() bool { return !alive(was.PID) && !alive(fork) })
	if now := neighbour.Status(); now.PID != its.PID || now.State != Ready {
		t.Errorf("its neighbour is %+v", now)
	}
	anew, err := c.Load(t.Context(), []*config.Plugin{greedy}, greedy.Address())
	if err != nil {
		t.Fatal(err)
	}
	if s := anew.Plugin(greedy.Address()).Status(); s.MemoryKills != 1 || s.Restarts != 1 {
		t.Errorf("the kills of the instance before are forgotten: %+v", s)
	}
}

// What a plugin's children use is its own.
func TestMemoryIsThatOfTheGroup(t *testing.T) {
	t.Parallel()
	i := loadEcho(t, newCatalog(t))
	pid := i.Status().PID
	alone := groupMemory(pid)
	if alone < 1<<20 {
		t.Fatalf("a Go program of %d bytes", alone)
	}
	if _, _, err := i.Cache().Get(t.Context(), "hog", "64"); err != nil {
		t.Fatal(err)
	}
	if grown := groupMemory(pid) - alone; grown < 64<<20 {
		t.Errorf("64 MiB more are %d", grown)
	}
	before := groupMemory(pid)
	ask(t, i, "fork")
	eventually(t, "its child counts", func() bool { return groupMemory(pid) > before })
	if groupMemory(os.Getpid()) == before {
		t.Error("we are in its group")
	}
}

func TestOpenFilesAndNice(t *testing.T) {
	t.Parallel()
	p := plugin("cache", "echo")
	p.Limits.OpenFiles, p.Limits.Nice = 100, 7
	i := load(t, newCatalog(t), p).Plugin(p.Address())
	if got := ask(t, i, "limits"); got != "100 100 7" {
		t.Errorf("open files and nice are %s", got)
	}
	for _, file := range threadsOf(t, i.Status().PID) {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[16] != "7" {
			t.Errorf("%s has nice %s", file, fields[16])
		}
	}
}

// Also where root may not limit the processes of others, as in many containers.
func TestOpenFilesAndNiceOfAnotherUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	p.User, p.UserAsked = "nobody", true
	p.Limits.OpenFiles, p.Limits.Nice = 100, 7
	i := load(t, newCatalog(t), p).Plugin(p.Address())
	if got := ask(t, i, "limits"); got != "100 100 7" {
		t.Errorf("open files and nice are %s", got)
	}
	if got := ask(t, i, "id"); strings.HasPrefix(got, "0 ") {
		t.Errorf("it runs as %s", got)
	}
	for _, kv := range strings.Split(ask(t, i, "environment"), "\n") {
		if strings.HasPrefix(kv, launchVar) {
			t.Errorf("it has %s", kv)
		}
	}
	// The program that it executes is told of as if nothing were between.
	broken := script("echo no disk >&2; exit 7")
	broken.User, broken.UserAsked, broken.Limits = p.User, true, p.Limits
	_, err := newCatalog(t).Load(t.Context(), []*config.Plugin{broken})
	if err == nil || !strings.Contains(err.Error(), "exit status 7: no disk") {
		t.Errorf("got %v", err)
	}
}

func threadsOf(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// needRoot skips where the router could not run plugins as others either.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes of others")
	}
}

func TestThirdPartiesRunAsAnotherUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	// The folders of tests are for root only: so is the program's.
	c := newCatalog(t)
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	p.User = "nobody"
	i := load(t, c, p).Plugin(p.Address())
	nobody, err := userOf(p)
	if err != nil || nobody == nil {
		t.Fatal(nobody, err)
	}
	uid, gid := strconv.Itoa(int(nobody.uid)), strconv.Itoa(int(nobody.gid))
	if got := ask(t, i, "id"); got != uid+" "+uid+" "+gid+" [] <nil>" && got != uid+" "+uid+" "+gid+" ["+gid+"] <nil>" {
		t.Errorf("it runs as %s", got)
	}
	// Its data folder outlives it, and is its own.
	if _, _, err := i.Cache().Get(t.Context(), "write", "kept"); err != nil {
		t.Fatal(err)
	}
	dir, err := c.dataDir(p)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "written")); err != nil || string(b) != "kept" {
		t.Errorf("its data folder has %q, %v", b, err)
	}
	secret := filepath.Join(t.TempDir(), "router.hcl")
	if err := os.WriteFile(secret, []byte("sk-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, _, err := i.Cache().Get(t.Context(), "read", secret); err == nil {
		t.Errorf("it reads %s of root's", e.Value)
	}
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is back", func() bool { s := i.Status(); return s.State == Ready && s.Epoch == 2 })
	if got := ask(t, i, "id"); !strings.HasPrefix(got, uid) {
		t.Errorf("started again it runs as %s", got)
	}
	folder := c.shared.folder.path
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of sockets is left: %v", err)
	}
}

func TestUserThatIsNotThere(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	p.User = "no-such-user"
	_, err := newCatalog(t).Load(t.Context(), []*config.Plugin{p})
	if want := `cache(foreign): there is no user "no-such-user" to run it as; name another: user = "..."`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A script that the default user can't read runs as root, and says so; where a
// user was asked for, it does not.
func TestScriptThatNobodyCanRead(t *testing.T) {
	t.Parallel()
	needRoot(t)
	file := filepath.Join(t.TempDir(), "plugin.sh") // which only root reaches
	if err := os.WriteFile(file, []byte("id -u >&2; exit 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[bool]string{
		false: "cache(foreign): ended before its handshake: exit status 7: 0",
		true:  "cache(foreign): as the user nobody: ended before its handshake: exit status 2: ",
	} {
		var log buffer
		c := newCatalog(t, func(o *Options) { o.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Warn}) })
		p := script("")
		p.Command, p.User, p.UserAsked = []string{"/bin/sh", file}, "nobody", asked
		_, err := c.Load(t.Context(), []*config.Plugin{p})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("asked for %t: %v, want %s", asked, err, want)
		}
		if told := strings.Contains(log.String(), "plugin runs as root"); told == asked {
			t.Errorf("asked for %t: the log has %s", asked, log.String())
		}
	}
}

// The same holds for a program that is a script itself.
func TestProgramThatIsAScript(t *testing.T) {
	t.Parallel()
	needRoot(t)
	closed, open := t.TempDir(), openDir(t)
	for dir, user := range map[string]string{closed: "0", open: "65534"} {
		file := filepath.Join(dir, "plugin")
		if err := os.WriteFile(file, []byte("#!/bin/sh\nid -u >&2; exit 7"), 0o755); err != nil {
			t.Fatal(err)
		}
		p := script("")
		p.Command, p.User = []string{file}, "65534"
		_, err := newCatalog(t).Load(t.Context(), []*config.Plugin{p})
		if err == nil || !strings.HasSuffix(err.Error(), "ended before its handshake: exit status 7: "+user) {
			t.Errorf("%s: %v, want the user %s", dir, err, user)
		}
	}
}

// openDir is a folder that everybody reaches.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "catalog")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

const secretEnv = "ACTOR_MUST_NOT_SEE"

func TestMain(m *testing.M) {
	os.Setenv(secretEnv, "sk-secret")
	os.Exit(m.Run())
}

// reason is what the actor answers to "say <what>".
func reason(t *testing.T, p *Plugin, what string) string {
	t.Helper()
	plan, err := p.Select(sdk.Request{Model: "say " + what}, sdk.Candidate{Channel: &sdk.Channel{Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Tiers[0].Picks[0].Reason
}

func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Parallel()
	env := reason(t, Start(t, actor, nil, Env("GIVEN=yes")), "env")
	for _, line := range strings.Split(env, "\n") {
		name, _, _ := strings.Cut(line, "=")
		if name != "GIVEN" && !strings.HasPrefix(name, "PLUGIN_") && !strings.HasPrefix(name, "SMARTROUTER_LOG") {
			t.Errorf("the plugin sees %s", line)
		}
	}
	if !strings.Contains(env, "GIVEN=yes") {
		t.Errorf("a variable that was given is missing in\n%s", env)
	}
}

func TestProcessorsOfAPluginThatComputes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		env  []string
		want string
	}{
		{name: "computes", env: []string{"ACT_COMPUTES=1"}, want: "1"},
		{name: "computes, set by hand", env: []string{"ACT_COMPUTES=1", "GOMAXPROCS=3"}, want: "3"},
		{name: "waits", env: []string{"GOMAXPROCS=2"}, want: "2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := reason(t, Start(t, actor, nil, Env(tc.env...)), "procs"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestPrintsDoNoHarm(t *testing.T) {
	t.Parallel()
	const line = 100 << 10
	p := Start(t, actor, nil, Env(fmt.Sprintf("ACT_PRINT=%d", line)))
	for range 3 {
		// 20 lines each, far more than pipes hold.
		if _, err := p.Select(sdk.Request{Model: fmt.Sprintf("print %d", line)}, sdk.Candidate{Channel: &sdk.Channel{}}); err != nil {
			t.Fatal(err)
		}
	}
	whole := strings.Repeat("x", line)
	waitFor(t, "all lines in the log", func() bool { return strings.Count(p.Logs(), whole) == 2+3*20 })
}

func TestLoggedWaitsForTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Plugin{t: t, process: &process{stderr: new(buffer)}}
		time.AfterFunc(logTimeout/2, func() { p.process.stderr.Write([]byte("it is late\n")) })
		if !p.Logged("late") {
			t.Error("what comes late is not seen")
		}
		began := time.Now()
		if p.Logged("never") {
			t.Error("what never comes is seen")
		}
		if waited := time.Since(began); waited < logTimeout {
			t.Errorf("it waited %v for what never came", waited)
		}
	})
}

func TestDeadHostTakesPluginAndItsChildrenAlong(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	child, err := strconv.Atoi(reason(t, p, "child"))
	if err != nil {
		t.Fatal(err)
	}
	p.process.lifeline.Close()
	waitFor(t, "the plugin's end", p.process.client.Exited)
	waitFor(t, "its child's end", func() bool { return isGone(child) })
	p.Kill() // it did not end well, as was wanted
}

// isGone also counts a zombie: who has to reap it is not ours to say.
func isGone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

func TestSignalsAreTheRoutersBusiness(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := p.process.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	reason(t, p, "procs")
}

func TestStoppedProcessCanBeKilled(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	if err := p.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if !p.process.client.Exited() {
		t.Error("it goes on")
	}
}

func TestHandshakeOfAnotherVersion(t *testing.T) {
	t.Parallel()
	o := newOptions(t, nil)
	_, err := start(t, program{path: "/bin/sh", args: []string{"sh", "-c", "echo '1|7|unix|/nowhere|grpc|'; exec sleep 600"}}, o)
	want := "start sh: the plugin speaks another version of the plugin protocol than the router, which speaks 1 and 2; " +
		"build it with the router's version of the SDK: incompatible API version with plugin. Plugin version: 7, "
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notes := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "notes"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(b)
	}
	p, err := start(t, build(t, actor), newOptions(t, []Option{DataDir(dir)}))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	setup := host.Setup{DataDir: dir, Grants: []string{sdk.NeedBilledCalls}}

	if err := p.host.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, _, err := p.Cache().Get(ctx, "n", "k"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a call before Configure: %v", err)
	}
	for _, bad := range []struct{ name, config string }{
		{"out of bounds", `{"rate": 2}`},
		{"refused by Validate", `{"rule": [{"match": "*"}]}`},
	} {
		setup.ConfigJSON = []byte(bad.config)
		if errs, err := p.host.Configure(ctx, setup); err != nil || len(errs) != 1 {
			t.Errorf("%s: got %v, %v", bad.name, errs, err)
		}
	}
	setup.ConfigJSON, setup.CheckOnly = nil, true
	if errs, err := p.host.Configure(ctx, setup); err != nil || len(errs) != 0 {
		t.Errorf("check only: got %v, %v", errs, err)
	}
	if got := notes(); got != "" {
		t.Errorf("it was started too early: %s", got)
	}
	setup.ConfigJSON, setup.CheckOnly = []byte(`{"fail": "start"}`), false
	if _, err := p.host.Configure(ctx, setup); err == nil || err.Error() != "plugin: start: told to fail" {
		t.Errorf("start: got %v", err)
	}
	setup.ConfigJSON = []byte(`{"rate": 0.25}`)
	if errs, err := p.host.Configure(ctx, setup); err != nil || len(errs) != 0 {
		t.Fatalf("got %v, %v", errs, err)
	}
	// What failed before left nothing behind: these are the defaults.
	if got, want := reason(t, p, "config"), `{"Rate":0.25,"Wait":1000000000,"Room":0,"Tags":["a"],"Names":null,"Rules":null}`; got != want {
		t.Errorf("config: got %s, want %s", got, want)
	}
	if _, err := p.host.Configure(ctx, setup); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a second Configure: %v", err)
	}
	p.process.stop()
	if got, want := notes(), "started with billed_calls\nclosed\n"; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestConfigErrorsHavePaths(t *testing.T) {
	t.Parallel()
	got := ConfigErrors(t, actor, Config{
		"rate": 1.5, "wait": "soon", "room": "1MiB", "tag": "x", "names": []string{"n"}, "colour": "red", "fail": 7,
		"rule": []Config{{"match": "a"}, {"count": -1, "macth": "b"}},
	})
	want := []sdk.ConfigError{
		{Path: "rate", Message: "is 1.5 and must be from 0 to 1"},
		{Path: "wait", Message: `"soon" is no duration such as "1.5s"`},
		{Path: "room", Message: "is no whole number"},
		{Path: "tag", Message: "is no list of strings"},
		{Path: "names", Message: "is no map of strings"},
		{Path: "rule.1.match", Message: "is required"},
		{Path: "rule.1.count", Message: "is -1 and must be at least 0"},
		{Path: "rule.1.macth", Message: "is unknown; there is: match, count"},
		{Path: "fail", Message: "is no string"},
		{Path: "colour", Message: "is unknown; there is: rate, wait, room, tag, names, rule, deny, fail"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestValidatorsErrorsHavePaths(t *testing.T) {
	t.Parallel()
	got := ConfigErrors(t, actor, Config{"fail": "validate", "rule": []Config{{"match": "a"}, {"match": "*"}}})
	want := []sdk.ConfigError{{Path: "rule.1.match", Message: "matches all"}, {Message: "told to fail"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	got := Start(t, actor, nil).Host().Manifest()
	want := sdk.Manifest{
		Name: "actor", Version: "1.2.3", Doc: "Does what it is told.", Kinds: sdk.Kinds, Lane: true,
		Reads: []sdk.Fact{"model", "header:x-team"}, Needs: []string{"billed_calls"},
		Fields: []sdk.Field{
			{Name: "rate", Type: sdk.FieldFloat, Doc: "a share", Default: "0.5", Min: "0", Max: "1"},
			{Name: "wait", Type: sdk.FieldDuration, Default: `"1s"`, Min: "1ms"},
			{Name: "room", Type: sdk.FieldSize, Default: "0", Max: "1KiB"},
			{Name: "tag", Type: sdk.FieldList, Default: `["a"]`},
			{Name: "names", Type: sdk.FieldMap, Default: "{}"},
			{Name: "rule", Type: sdk.FieldBlock, Doc: "the first that matches", Default: "[]", Fields: []sdk.Field{
				{Name: "match", Type: sdk.FieldString, Required: true}, {Name: "count", Type: sdk.FieldInt, Default: "0", Min: "0"},
			}},
			{Name: "deny", Type: sdk.FieldBlock, Default: "[]", Fields: []sdk.Field{
				{Name: "name", Type: sdk.FieldLabel, Required: true}, {Name: "pattern", Type: sdk.FieldString, Required: true},
			}},
			{Name: "fail", Type: sdk.FieldString, Default: `""`},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestStartedByHand(t *testing.T) {
	t.Parallel()
	what := build(t, actor)
	cmd := exec.CommandContext(t.Context(), what.path)
	cmd.Args = []string{"actor", "serve", `${x}`}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit: %v", err)
	}
	text := string(out)
	for _, want := range []string{
		"actor 1.2.3: a selector, prechecker, prober, cache, adapter, guard, observer plugin of Smart AI Router.\nDoes what it is told.\n",
		"plugin \"selector\" \"actor\" {\n  command = [",
		`, "serve", "$${x}"]` + "\n  grants  = [\"billed_calls\"]\n",
		"    rate  = 0.5 # a share\n    wait  = \"1s\"\n    room  = \"0B\"\n",
		"    rule { # the first that matches\n      match = \"\" # required\n      count = 0\n    }\n",
		"    deny \"NAME\" {\n      pattern = \"\" # required\n    }\n",
		"# and name it in a provider: adapter = plugin.adapter.actor\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAutoMTLSIsRefused(t *testing.T) {
	t.Parallel()
	what := build(t, actor)
	cmd := exec.CommandContext(t.Context(), what.path)
	cmd.Env = []string{
		sdk.CookieKey + "=" + sdk.CookieValue, "PLUGIN_UNIX_SOCKET_DIR=" + t.TempDir(), "PLUGIN_CLIENT_CERT=x",
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err == nil || stdout.Len() > 0 || !strings.Contains(stderr.String(), "the host asks for AutoMTLS") {
		t.Errorf("got %v, stdout %q, stderr %s", err, &stdout, &stderr)
	}
}

func TestMissingSocketFolderEndsTheStart(t *testing.T) {
	t.Parallel()
	what := build(t, actor)
	cmd := exec.CommandContext(t.Context(), what.path)
	cmd.Env = []string{sdk.CookieKey + "=" + sdk.CookieValue, "PLUGIN_UNIX_SOCKET_DIR=/nonexistent"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), "/nonexistent") {
		t.Errorf("got %v, %s", err, &stderr)
	}
}

func TestPingOfADeadPlugin(t *testing.T) {
	t.Parallel()
	p := Start(t, actor, nil)
	p.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	if err := p.host.Ping(ctx); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// asOrdinaryUser runs a command as somebody who is not root.
func asOrdinaryUser() []string {
	if os.Getuid() != 0 {
		return nil
	}
	return []string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}
}

// As another user than root the router works, its plugins too, and no other
// process of that user can look into the one that holds the keys.
func TestRouterOfAnOrdinaryUserIsClosedToItsOtherProcesses(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	// The folders of tests are for their owner only.
	dir, err := os.MkdirTemp("", "smartrouter-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config, data := filepath.Join(dir, "router.hcl"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte(listen+channel("a", w.URL(), upstreamKey)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r := startRouterIn(t, asOrdinaryUser(), config, data)
	if err := r.ask(t.Context(), "m", true, "hello"); err != nil {
		t.Fatal(err)
	}
	environment := filepath.Join("/proc", strconv.Itoa(r.cmd.Process.Pid), "environ")
	spy := append(asOrdinaryUser(), "cat", environment)
	if out, err := exec.Command(spy[0], spy[1:]...).CombinedOutput(); err == nil {
		t.Errorf("another process of the user read the router's environment: %q", out)
	}
}

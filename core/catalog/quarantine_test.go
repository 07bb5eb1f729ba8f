package catalog

import (
	"errors"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
)

func TestQuarantineByHandLastsUntilItIsLifted(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	set := load(t, c, plugin("cache", "echo"))
	i := set.Plugin("plugin.cache.echo")
	pid := i.Status().PID
	down := func(i *Instance, reason string) bool {
		_, _, err := i.Cache().Get(t.Context(), "pid", "")
		var d Down
		return errors.As(err, &d) && d.State == Quarantined && d.Reason == reason
	}
	i.Quarantine("it lies")
	eventually(t, "it is out", func() bool { return down(i, "it lies") && !alive(pid) })
	// Neither a reload ends it, nor that the reload brings another process.
	again := load(t, c, plugin("cache", "echo"))
	if again.Plugin("plugin.cache.echo") != i || !down(i, "it lies") {
		t.Error("a reload ended it")
	}
	anew, err := c.Load(t.Context(), []*config.Plugin{plugin("cache", "echo")}, "plugin.cache.echo")
	if err != nil {
		t.Fatal(err)
	}
	other := anew.Plugin("plugin.cache.echo")
	if other == i {
		t.Fatal("it was to start anew")
	}
	eventually(t, "the new one is out too", func() bool { return down(other, "it lies") })
	set.Release()
	again.Release()
	if !other.Release() {
		t.Error("there was nothing to lift")
	}
	eventually(t, "it is back", func() bool { return other.Status().State == Ready })
	if got := ask(t, other, "greeting"); got != "hello" || other.Release() {
		t.Errorf("greeting is %q", got)
	}
	if s := other.Status(); s.Calls < 3 {
		t.Errorf("the calls of the instance before are forgotten: %+v", s)
	}
}

// Where the word came and was taken back during a start, it is heard only when
// it is worth nothing any more.
func TestQuarantineThatWasLiftedEndsNothing(t *testing.T) {
	t.Parallel()
	i := loadEcho(t, newCatalog(t))
	before := i.Status()
	for range 2 { // once the second is heard the first was dealt with
		tell(i.hurry)
		tell(i.park)
		eventually(t, "it is heard", func() bool { return len(i.park) == 0 && len(i.hurry) == 0 })
	}
	if now := i.Status(); now.PID != before.PID || now.Restarts != 0 || now.LastExit != "" || now.State != Ready {
		t.Errorf("status was %+v, is %+v", before, now)
	}
}

// Calls under way are answered before a process ends that is not wanted any more.
func TestAnOldProcessEndsAfterItsLastCall(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	set := load(t, c, plugin("cache", "echo"))
	i := set.Plugin("plugin.cache.echo")
	pid := i.Status().PID
	answered := make(chan error, 1)
	go func() {
		_, _, err := i.Cache().Get(t.Context(), "sleep", "300ms")
		answered <- err
	}()
	eventually(t, "the call is under way", func() bool {
		l := i.present.Load().life
		if l.calls.TryLock() {
			l.calls.Unlock()
			return false
		}
		return true
	})
	set.Release()
	if err := <-answered; err != nil {
		t.Errorf("the last call failed: %v", err)
	}
	eventually(t, "it is gone", func() bool { return !alive(pid) })
}

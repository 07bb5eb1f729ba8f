package catalog

import (
	"errors"
	"os"
	"testing"
)

// A group that is dead must not be told of: its id may be another's by then.
func TestReaperThatCanNotStartForgetsThePlugin(t *testing.T) {
	t.Parallel()
	r := newReaper(self)
	noProcess := errors.New("no process")
	err := r.watch(4242, "/run/1", func(string, []string, *os.ProcAttr) (*os.Process, error) { return nil, noProcess })
	if !errors.Is(err, noProcess) {
		t.Fatalf("got %v", err)
	}
	if len(r.watched) != 0 {
		t.Errorf("it watches %v", r.watched)
	}
}

// The id of a group that has ended may be another plugin's before it is swept.
func TestSweepLeavesTheNextOfTheSameId(t *testing.T) {
	t.Parallel()
	r := newReaper(self)
	r.watched[4242] = "/run/2"
	r.sweep(4242, "/run/1")
	if r.watched[4242] != "/run/2" {
		t.Errorf("it watches %v", r.watched)
	}
}

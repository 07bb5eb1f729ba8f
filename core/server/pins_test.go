package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// shelf is a store in memory.
type shelf struct {
	mu      sync.Mutex
	entries map[string]sdk.Entry
	writes  int
	err     error
	slow    chan struct{} // a Get waits for its end; nil: it does not
}

func (s *shelf) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	if s.slow != nil {
		select {
		case <-s.slow:
		case <-ctx.Done():
			return sdk.Entry{}, false, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[namespace+"/"+key]
	return e, ok, s.err
}

func (s *shelf) Put(_ context.Context, entries ...sdk.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return s.err
	}
	for _, e := range entries {
		s.entries[e.Namespace+"/"+e.Key] = e
	}
	return nil
}

func (s *shelf) Delete(_ context.Context, namespace string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for _, k := range keys {
		delete(s.entries, namespace+"/"+k)
	}
	return s.err
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *shelf) keys() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]bool)
	for k := range maps.Keys(s.entries) {
		out[k] = true
	}
	return out
}

const month = 30 * 24 * time.Hour

// newTestPins are over a shelf; accounts are told apart by their credential.
func newTestPins() (*Pins, *shelf) {
	s := &shelf{entries: make(map[string]sdk.Entry)}
	return NewPins(PinsOptions{
		Store: s, Account: func(c *config.Channel) string { return "account of " + c.Secret.Reveal() }, Failed: func(error) {},
	}), s
}

func view(channels ...*config.Channel) *board.View {
	b := board.New(nil)
	for _, c := range channels {
		c.Provider, c.Models, c.Weight = &config.Provider{Name: "p"}, []string{"m"}, 1
	}
	b.Apply(&config.Config{Channels: channels})
	return b.View()
}

// place finds an id and tells where it was.
func (p *Pins) place(t *testing.T, caller, id string) string {
	t.Helper()
	pin, where, err := p.Find(t.Context(), caller, id)
	if (pin == nil) != (where == pinNowhere || where == pinFailed) || (err == nil) != (where != pinFailed) {
		t.Errorf("%s of %s: %+v, %s, %v", id, caller, pin, where, err)
	}
	return where
}

func TestPins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newTestPins()
		target := view(&config.Channel{Name: "a", Secret: "1"}).Targets[0]
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); p.Write(ctx) }()

		p.Keep("one", "resp_1", target, month)
		if got := p.place(t, "one", "resp_1") + p.place(t, "two", "resp_1") + p.place(t, "", "resp_1"); got != "memoryunknownunknown" {
			t.Errorf("right after it was made: %s", got)
		}
		synctest.Wait()
		if p.Unwritten() != 0 || !s.keys()["responses/one\x00resp_1"] {
			t.Errorf("%d are not written, the store has %v", p.Unwritten(), s.keys())
		}
		again, _ := newTestPins() // another process, with the same store
		again.Store = s
		if got := again.place(t, "one", "resp_1") + again.place(t, "one", "resp_1") + again.place(t, "two", "resp_1"); got != "storememoryunknown" {
			t.Errorf("after a restart: %s", got)
		}
		pin, _, _ := again.Find(t.Context(), "one", "resp_1")
		if want := (Pin{Channel: "a", Account: "account of 1", Model: "m", Expires: pin.Expires}); *pin != want || time.Until(pin.Expires) != month {
			t.Errorf("got %+v for %s", pin, time.Until(pin.Expires))
		}

		// A burst is one write, and the next one waits its time.
		writes := s.written()
		for i := range 100 {
			p.Keep("one", fmt.Sprint("burst", i), target, month)
		}
		time.Sleep(2 * pinEvery)
		if s.written() > writes+2 || p.Unwritten() != 0 {
			t.Errorf("%d writes for a burst, %d left", s.written()-writes, p.Unwritten())
		}

		// The last write comes after the end.
		p.Keep("one", "resp_2", target, month)
		p.Drop("one", "resp_1")
		if got := p.place(t, "one", "resp_1"); got != pinNowhere {
			t.Errorf("deleted, and found in %s", got)
		}
		stop()
		<-over
		if k := s.keys(); k["responses/one\x00resp_1"] || !k["responses/one\x00resp_2"] {
			t.Errorf("the store has %v", k)
		}

		time.Sleep(month)
		if got := p.place(t, "one", "resp_2") + again.place(t, "one", "resp_1"); got != "unknownunknown" {
			t.Errorf("after a month: %s", got)
		}
	})
}

func TestPinsWithoutTheirStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newTestPins()
		var failed atomic.Int32
		p.Failed = func(error) { failed.Add(1) }
		target := view(&config.Channel{Name: "a"}).Targets[0]
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); p.Write(ctx) }()

		s.fail(errors.New("disk full"))
		p.Keep("", "resp_1", target, month)
		time.Sleep(pinRetry / 2)
		if failed.Load() != 1 || p.Unwritten() != 1 || p.place(t, "", "resp_1") != pinInMemory {
			t.Errorf("%d failures, %d left", failed.Load(), p.Unwritten())
		}
		if got := p.place(t, "", "resp_0"); got != pinFailed {
			t.Errorf("what only the store knows: %s", got)
		}
		s.fail(nil)
		time.Sleep(2 * pinRetry)
		if p.Unwritten() != 0 || !s.keys()["responses/\x00resp_1"] {
			t.Errorf("%d left, the store has %v", p.Unwritten(), s.keys())
		}

		s.slow = make(chan struct{})
		before := time.Now()
		if got := p.place(t, "", "resp_0"); got != pinFailed || time.Since(before) != findTimeout {
			t.Errorf("a store that does not answer: %s after %s", got, time.Since(before))
		}
		stop()
		<-over
	})
}

func TestPinsAreBounded(t *testing.T) {
	t.Parallel()
	p, _ := newTestPins()
	target := view(&config.Channel{Name: "a"}).Targets[0]
	for i := range maxUnwritten + 10 {
		p.Keep("", fmt.Sprint(i), target, month)
	}
	if n := p.Unwritten(); n != maxUnwritten {
		t.Errorf("%d wait for the store", n)
	}
	if n := len(p.young) + len(p.old); n > 2*youngPins {
		t.Errorf("%d in memory", n)
	}
	if err := p.write(t.Context()); err != nil || p.Unwritten() != 0 {
		t.Errorf("%v, %d left", err, p.Unwritten())
	}
	for _, id := range []string{"", ".", "..", strings.Repeat("x", maxPinID+1)} {
		p.Keep("", id, target, month)
		if p.Unwritten() != 0 || p.place(t, "", id) != pinNowhere {
			t.Errorf("the id %q is kept", id)
		}
	}
}

// What is used stays in memory while what is not goes.
func TestPinsInUseStay(t *testing.T) {
	t.Parallel()
	p, s := newTestPins()
	target := view(&config.Channel{Name: "a"}).Targets[0]
	p.Keep("", "used", target, month)
	p.Keep("", "unused", target, month)
	for i := range 3 * youngPins {
		p.Keep("", fmt.Sprint(i), target, month)
		if i%pinBatch == 0 {
			if err := p.write(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.place(t, "", "used")
		}
	}
	s.fail(errors.New("not now"))
	if got := p.place(t, "", "used") + p.place(t, "", "unused"); got != pinInMemory+pinFailed {
		t.Error(got)
	}
}

func TestPinsFindTheAccount(t *testing.T) {
	t.Parallel()
	p, _ := newTestPins()
	pin := &Pin{Channel: "a", Account: "account of 1"}
	for _, tc := range []struct {
		name     string
		channels []*config.Channel
		want     string
	}{
		{name: "as it was", channels: []*config.Channel{{Name: "b", Secret: "1"}, {Name: "a", Secret: "1"}}, want: "a"},
		{name: "under another name", channels: []*config.Channel{{Name: "a", Secret: "2"}, {Name: "a-2", Secret: "1"}}, want: "a-2"},
		{name: "off", channels: []*config.Channel{{Name: "a", Secret: "1", Off: "A_KEY is not set"}}},
		{name: "another account", channels: []*config.Channel{{Name: "a", Secret: "2"}}},
		{name: "gone", channels: []*config.Channel{{Name: "b", Secret: "2"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if c := p.Channel(view(tc.channels...), pin); c != nil {
				got = c.Config.Name
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A damaged entry is no pin.
func TestPinsReadNothingOutOfGarbage(t *testing.T) {
	t.Parallel()
	p, s := newTestPins()
	s.entries["responses/\x00resp_1"] = sdk.Entry{Value: []byte("{"), Expires: time.Now().Add(time.Hour)}
	if got := p.place(t, "", "resp_1"); got != pinNowhere {
		t.Error(got)
	}
}

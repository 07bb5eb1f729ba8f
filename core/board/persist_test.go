package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// memory is a store that keeps every write in order, as a log does.
type memory struct {
	mu      sync.Mutex
	log     []sdk.Change
	page    int // most changes of one answer; 0: all
	failing error
	puts    int
}

func (m *memory) Put(_ context.Context, entries ...sdk.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if m.failing != nil {
		return m.failing
	}
	for _, e := range entries {
		e.Value = slices.Clone(e.Value)
		m.log = append(m.log, sdk.Change{Entry: e})
	}
	return nil
}

func (m *memory) Delete(_ context.Context, namespace string, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		m.log = append(m.log, sdk.Change{Entry: sdk.Entry{Namespace: namespace, Key: k}, Deleted: true})
	}
	return m.failing
}

func (m *memory) Changes(_ context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return sdk.Changes{}, m.failing
	}
	at, _ := strconv.Atoi(q.Cursor)
	var out sdk.Changes
	for ; at < len(m.log); at++ {
		if m.page > 0 && len(out.Changes) == m.page {
			out.More = true
			break
		}
		if slices.Contains(q.Namespaces, m.log[at].Entry.Namespace) {
			out.Changes = append(out.Changes, m.log[at])
		}
	}
	out.Cursor = strconv.Itoa(at)
	return out, nil
}

func (m *memory) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = err
}

func account(c *config.Channel) string {
	return fmt.Sprint("print of ", len(c.Secret.Reveal()), c.BaseURL)
}

// keeping runs a board's Keep until the returned function ends it.
func keeping(t *testing.T, b *Board, s Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Keep(ctx, s, account, func(err error) { t.Errorf("not kept: %v", err) })
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestWhatIsKnownSurvivesARestart(t *testing.T) {
	t.Parallel()
	for _, page := range []int{0, 1, 2} {
		t.Run(fmt.Sprint("pages of ", page), func(t *testing.T) {
			t.Parallel()
			listed := func() *config.Channel {
				c := channel("listed")
				c.Models = nil
				return c
			}
			b, clock := newBoard(t, conf(listed(), channel("quota", "m1"), channel("freed", "m1"), channel("limited", "m1")))
			store := &memory{page: page}
			stop := keeping(t, b, store)
			until := b.now().Add(time.Hour)
			b.SetHealth(b.View().Channel("listed"), Health{
				State: sdk.HealthUp, Until: b.now().Add(time.Minute), Key: sdk.KeyValid, KeyUntil: until,
				Listed: true, Models: []sdk.ModelInfo{{ID: "m9", ContextTokens: 77}}, ModelsUntil: until,
			})
			fail(b, target(t, b, "listed", "m9"), Failure{Class: NotFound, Reason: "no such model"})
			fail(b, target(t, b, "quota", "m1"), Failure{Class: Quota, Reason: "no money"})
			fail(b, target(t, b, "limited", "m1"), Failure{Class: RateLimit, RetryAfter: 30 * time.Second})
			freed := target(t, b, "freed", "m1")
			for range 5 {
				fail(b, freed, Failure{Class: Upstream})
			}
			waitFor(t, func() bool { return strings.Contains(store.text(), "freed\x00m1") })
			succeed(b, freed)
			stop()
			if strings.Contains(store.text(), "sk-") {
				t.Error("a secret was stored")
			}

			clock.move(40 * time.Second)
			after := New(clock.now)
			after.Apply(conf(listed(), channel("quota", "m1"), channel("freed", "m1"), channel("limited", "m1")))
			if err := after.Restore(context.Background(), store, account); err != nil {
				t.Fatal(err)
			}
			h := after.View().Channel("listed").Health()
			if h.State != sdk.HealthUp || h.Key != sdk.KeyValid || !h.ModelsUntil.Equal(until) {
				t.Errorf("restored %+v", h)
			}
			x := target(t, after, "listed", "m9")
			if after.View().Candidates[x.Ref].ContextTokens != 77 {
				t.Error("the context of a listed model is gone")
			}
			if ban := x.Ban(); ban == nil || ban.Class != NotFound || ban.Reason != "no such model" || x.Admit(after.now()) != Out {
				t.Errorf("the ban of a listed model: %+v", ban)
			}
			if ban := after.View().Channel("quota").Ban(); ban == nil || ban.Class != Quota {
				t.Errorf("the ban of a channel: %+v", ban)
			}
			if ban := target(t, after, "freed", "m1").Ban(); ban != nil {
				t.Errorf("a lifted ban came back: %+v", ban)
			}
			if ban := target(t, after, "limited", "m1").Ban(); ban != nil {
				t.Errorf("an ended ban came back: %+v", ban)
			}
		})
	}
}

// A store that comes in the place of another may have bans of before.
func TestAnotherStoreLearnsOfLiftedBans(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, channel("a", "m1"))
	b := f.boards[0]
	for range 5 {
		fail(b, b.View().Targets[0], Failure{Class: Upstream})
	}
	f.write(b)
	one := f.store
	f.store = &memory{}
	f.clock.move(time.Second)
	succeed(b, b.View().Targets[0])
	f.write(b)

	f.store = one
	b.KeepAll()
	f.write(b)
	after := New(b.now)
	after.Apply(conf(channel("a", "m1")))
	f.read(after)
	if ban := after.View().Targets[0].Ban(); ban != nil {
		t.Errorf("a lifted ban came back: %+v", ban)
	}
}

func (m *memory) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, c := range m.log {
		fmt.Fprintf(&b, "%s %s %s %t\n", c.Entry.Namespace, c.Entry.Key, c.Entry.Value, c.Deleted)
	}
	return b.String()
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnotherAccountIsNotBelieved(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1")))
	store := &memory{}
	stop := keeping(t, b, store)
	b.SetHealth(b.View().Channel("a"), Health{State: sdk.HealthUp, Until: b.now().Add(time.Hour), Key: sdk.KeyInvalid, KeyUntil: b.now().Add(time.Hour)})
	fail(b, b.View().Targets[0], Failure{Class: NotFound})
	stop()

	next := channel("a", "m1")
	next.Secret = "sk-a-longer-one"
	after := New(b.now)
	after.Apply(conf(next))
	if err := after.Restore(context.Background(), store, account); err != nil {
		t.Fatal(err)
	}
	c := after.View().Channel("a")
	if c.Ban() != nil || c.Health().State != sdk.HealthUnknown || after.View().Targets[0].Ban() != nil {
		t.Errorf("what was known of the old key is believed: %+v %+v %+v", c.Ban(), c.Health(), after.View().Targets[0].Ban())
	}
}

func TestRestoreReadsWhatItCan(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1")))
	store := &memory{log: []sdk.Change{
		{Entry: sdk.Entry{Namespace: NamespaceHealth, Key: "a", Value: []byte("{damaged")}},
		{Entry: sdk.Entry{Namespace: NamespaceBans, Key: "a\x00m1", Value: nil}},
		{Entry: sdk.Entry{Namespace: NamespaceBans, Key: "gone\x00m1", Value: []byte("{}")}},
		{Entry: sdk.Entry{Namespace: NamespaceBans, Key: "gone", Value: []byte("{}")}},
	}}
	if err := b.Restore(context.Background(), store, account); err != nil {
		t.Fatal(err)
	}
	if x := b.View().Targets[0]; x.Admit(b.now()) != Admitted {
		t.Error("damaged entries left a trace")
	}
	store.set(errors.New("down"))
	if err := b.Restore(context.Background(), store, account); err == nil || err.Error() != "board: reading what was kept: down" {
		t.Errorf("got %v", err)
	}
}

func TestAFailingStoreIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		b.Apply(conf(channel("a", "m1")))
		store := &memory{failing: errors.New("disk full")}
		var failures []error
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Keep(ctx, store, account, func(err error) { failures = append(failures, err) })
		}()
		fail(b, b.View().Targets[0], Failure{Class: Quota})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(failures) != 1 || failures[0].Error() != "board: keeping state: disk full" {
			t.Errorf("told of %v", failures)
		}
		store.set(nil)
		time.Sleep(keepRetry)
		synctest.Wait()
		if !strings.Contains(store.text(), "bans a {") {
			t.Error("nothing was kept, though the store is back and no other change came")
		}
		cancel()
		<-done
	})
}

func TestTheLastChangeIsKeptAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		b.Apply(conf(channel("a", "m1"), channel("b", "m1")))
		store := &memory{}
		stop := keeping(t, b, store)
		fail(b, b.View().Targets[0], Failure{Class: Quota})
		synctest.Wait()
		for range 50 {
			fail(b, b.View().Targets[1], Failure{Class: RateLimit, RetryAfter: time.Minute})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if store.puts > 2 {
			t.Errorf("%d writes in 50 ms", store.puts)
		}
		stop()
		if !strings.Contains(store.text(), "bans b\x00m1 {") {
			t.Error("the last change is lost")
		}
	})
}

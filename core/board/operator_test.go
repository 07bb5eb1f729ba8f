package board

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBanByHand(t *testing.T) {
	t.Parallel()
	b, clock := newBoard(t, conf(channel("a", "m1", "vendor/m2"), channel("b", "m1")))
	a1, a2 := target(t, b, "a", "m1"), target(t, b, "a", "vendor/m2")
	mustBan := func(channel, model string, d time.Duration, reason string) *Ban {
		t.Helper()
		ban, err := b.Ban(channel, model, d, reason)
		if err != nil {
			t.Fatal(err)
		}
		return ban
	}

	mustBan("a", "vendor/m2", time.Minute, "too slow")
	if a2.Admit(b.now()) != Out || a1.Admit(b.now()) != Admitted {
		t.Fatal("a ban of one model is of that model")
	}
	clock.move(30 * time.Second)
	if ban := mustBan("a", "vendor/m2", time.Hour, ""); ban.Reason != "too slow" || ban.Until.Sub(b.now()) != time.Hour {
		t.Errorf("extended: %+v", ban)
	}
	if ban := mustBan("a", "vendor/m2", time.Second, "over soon"); ban.Reason != "over soon" || ban.Until.Sub(b.now()) != time.Second {
		t.Errorf("shortened: %+v", ban)
	}
	clock.move(time.Second)
	if a2.Admit(b.now()) != Admitted {
		t.Error("a ban for a second is not over after it")
	}

	if ban := mustBan("a", "", 0, ""); !ban.Until.IsZero() || ban.Reason == "" {
		t.Errorf("for good: %+v", ban)
	}
	succeed(b, a1) // was under way
	if clock.move(1000 * time.Hour); a1.Admit(b.now()) != Out || target(t, b, "b", "m1").Admit(b.now()) != Admitted {
		t.Error("a ban for good is over, or reaches others")
	}
	for _, tt := range [][2]string{{"nobody", ""}, {"nobody", "m1"}, {"a", "m3"}, {"b", "vendor/m2"}, {"a", "m2"}} {
		var unknown *ErrUnknown
		if _, err := b.Ban(tt[0], tt[1], 0, ""); !errors.As(err, &unknown) || unknown.Channel != tt[0] {
			t.Errorf("%q: %v", tt, err)
		}
		if _, err := b.Unban(tt[0], tt[1]); !errors.As(err, &unknown) || unknown.Error() == "" {
			t.Errorf("%q: %v", tt, err)
		}
	}
}

func TestUnban(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2", "m3"), channel("b", "m1")))
	a1, a2, other := target(t, b, "a", "m1"), target(t, b, "a", "m2"), target(t, b, "b", "m1")
	ban(b, a1, Upstream, 5)
	ban(b, a2, NotFound, 1)
	ban(b, other, Auth, 1)
	if n, err := b.Unban("a", "m1"); n != 1 || err != nil || a1.Admit(b.now()) != Admitted || a2.Admit(b.now()) != Out {
		t.Errorf("one model: %d, %v", n, err)
	}
	if ban(b, a1, Upstream, 4); a1.Ban() != nil {
		t.Error("failures from before an unban count")
	}
	ban(b, a1, Quota, 1)
	if n, err := b.Unban("a", ""); n != 2 || err != nil || a1.Admit(b.now()) != Admitted || a2.Admit(b.now()) != Admitted {
		t.Errorf("the channel and all its models: %d, %v", n, err)
	}
	if n, _ := b.Unban("a", ""); n != 0 {
		t.Errorf("%d lifted of none", n)
	}
	if n, _ := b.Unban("b", ""); n != 1 || other.Admit(b.now()) != Admitted {
		t.Errorf("a refused key: %d", n)
	}
}

// An operator's ban is about the channel: another key does not end it. What
// was found out of the old key goes with it.
func TestABanByHandOutlivesItsKey(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2")))
	_, err1 := b.Ban("a", "", 0, "maintenance")
	_, err2 := b.Ban("a", "m1", 0, "maintenance")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	ban(b, target(t, b, "a", "m2"), NotFound, 1)
	next := channel("a", "m1", "m2")
	next.Secret = "sk-new"
	b.Apply(conf(next))
	m1, m2 := target(t, b, "a", "m1"), target(t, b, "a", "m2")
	if c := m1.Channel.Ban(); c == nil || c.Class != Manual || m1.Ban() == nil || m2.Ban() != nil {
		t.Errorf("channel %+v, m1 %+v, m2 %+v", c, m1.Ban(), m2.Ban())
	}
}

// What was acknowledged is in the store.
func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := newBoard(t, conf(channel("a", "m1")))
		store := &memory{}
		if err := b.Kept(t.Context()); err != nil {
			t.Errorf("there is nothing to keep: %v", err)
		}
		if _, err := b.Ban("a", "", 0, "maintenance"); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Kept(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody writes, and it is kept: %v", err)
		}

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		store.set(errors.New("disk full"))
		go func() {
			defer close(ended)
			b.Keep(ctx, store, account, func(error) {})
		}()
		short, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Kept(short); err == nil {
			t.Error("the store took nothing, and it is kept")
		}
		store.set(nil)
		if err := b.Kept(t.Context()); err != nil {
			t.Error(err)
		}
		restarted, _ := newBoard(t, conf(channel("a", "m1")))
		if err := restarted.Restore(t.Context(), store, account); err != nil {
			t.Fatal(err)
		}
		if got := restarted.View().Channel("a").Ban(); got == nil || got.Class != Manual || got.Reason != "maintenance" {
			t.Errorf("restored: %+v", got)
		}
		if _, err := b.Unban("a", ""); err != nil {
			t.Fatal(err)
		}
		if err := b.Kept(t.Context()); err != nil {
			t.Error(err)
		}
		restarted, _ = newBoard(t, conf(channel("a", "m1")))
		if err := restarted.Restore(t.Context(), store, account); err != nil || restarted.View().Channel("a").Ban() != nil {
			t.Errorf("after the unban: %+v, %v", restarted.View().Channel("a").Ban(), err)
		}
		stop()
		<-ended
	})
}

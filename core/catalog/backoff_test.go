package catalog

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	restart := Restart{First: 100 * time.Millisecond, Max: time.Second, Crashes: 5, Window: time.Minute, Quarantine: time.Minute}
	type crash struct {
		after, lived time.Duration
		wait         time.Duration
		quarantine   bool
	}
	for name, crashes := range map[string][]crash{
		"at once, then doubling, then quarantine": {
			{after: 0, lived: time.Hour, wait: 0},
			{after: time.Second, wait: 100 * time.Millisecond},
			{after: time.Second, wait: 200 * time.Millisecond},
			{after: time.Second, wait: 400 * time.Millisecond},
			{after: time.Second, wait: time.Minute, quarantine: true},
		},
		"slower than the window: the wait grows up to its limit": {
			{lived: time.Hour, wait: 0},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: 100 * time.Millisecond},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: 200 * time.Millisecond},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: 400 * time.Millisecond},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: 800 * time.Millisecond},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: time.Second},
			{after: 20 * time.Second, lived: 20 * time.Second, wait: time.Second},
		},
		"a crash after a long life is the first again": {
			{lived: time.Hour, wait: 0},
			{after: time.Second, wait: 100 * time.Millisecond},
			{after: time.Hour, lived: time.Hour, wait: 0},
		},
		"one try after a quarantine": {
			{}, {wait: 100 * time.Millisecond}, {wait: 200 * time.Millisecond}, {wait: 400 * time.Millisecond},
			{wait: time.Minute, quarantine: true},
			{after: 61 * time.Second, lived: time.Second, wait: time.Minute, quarantine: true},
			{after: 10 * time.Minute, lived: 9 * time.Minute, wait: 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := backoff{Restart: restart}
			now := time.Now()
			for i, c := range crashes {
				now = now.Add(c.after)
				wait, quarantine := b.crashed(now, c.lived)
				if wait != c.wait || quarantine != c.quarantine {
					t.Errorf("crash %d: wait %v, quarantine %v; want %v, %v", i+1, wait, quarantine, c.wait, c.quarantine)
				}
			}
		})
	}
}

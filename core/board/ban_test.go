package board

import (
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

func TestNextBan(t *testing.T) {
	t.Parallel()
	now := newClock().now()
	ended := func(c Class, times int) *Ban { return &Ban{Class: c, Times: times, Until: now} }
	active := func(c Class, times int, left time.Duration) *Ban {
		return &Ban{Class: c, Times: times, Until: now.Add(left)}
	}
	halfOpen := func(c Class, times int, left time.Duration) *Ban {
		b := active(c, times, left)
		b.Trial = now
		return b
	}
	forever := &Ban{Class: Auth, Times: 1}
	tests := []struct {
		name  string
		class Class
		hint  time.Duration
		last  *Ban
		trial bool // the last one was half open, and this failure is its trial's
		stays bool // the last one
		want  time.Duration
		times int
	}{
		{name: "quota", class: Quota, want: 1800 * time.Second, times: 1},
		{name: "rate limit", class: RateLimit, want: 10 * time.Second, times: 1},
		{name: "rate limit, hinted", class: RateLimit, hint: 42 * time.Second, want: 42 * time.Second, times: 1},
		{name: "rate limit, hinted for an hour", class: RateLimit, hint: time.Hour, want: 300 * time.Second, times: 1},
		{name: "rate limit, hinted by -1", class: RateLimit, hint: -time.Second, want: 10 * time.Second, times: 1},
		{name: "not found", class: NotFound, want: 300 * time.Second, times: 1},
		{name: "upstream", class: Upstream, want: 60 * time.Second, times: 1},
		{name: "timeout", class: Timeout, want: 30 * time.Second, times: 1},
		{name: "connect", class: Connect, want: 30 * time.Second, times: 1},

		{name: "second time doubles", class: Upstream, last: ended(Upstream, 1), want: 120 * time.Second, times: 2},
		{name: "third time", class: Upstream, last: ended(Upstream, 2), want: 240 * time.Second, times: 3},
		{name: "doubling ends", class: Upstream, last: ended(Upstream, 7), want: 3600 * time.Second, times: 8},
		{name: "doubling ends for good", class: Connect, last: ended(Connect, 1000), want: 3600 * time.Second, times: 1001},
		{name: "doubling counts other classes", class: Connect, last: ended(Upstream, 2), want: 120 * time.Second, times: 3},
		{name: "a hint is not doubled", class: RateLimit, hint: 7 * time.Second, last: ended(RateLimit, 3), want: 7 * time.Second, times: 4},

		{name: "a fault with a hint", class: Upstream, hint: 90 * time.Second, want: 90 * time.Second, times: 1},
		{name: "a failed trial doubles", class: Upstream, last: halfOpen(Upstream, 1, 40*time.Second), trial: true, want: 120 * time.Second, times: 2},
		{name: "a failed trial never shortens", class: Connect, last: halfOpen(Upstream, 2, 100*time.Second), trial: true, want: 120 * time.Second, times: 3},
		{name: "a failed trial that was hinted never shortens", class: RateLimit, hint: time.Second, last: halfOpen(Upstream, 2, 100*time.Second), trial: true, want: 100 * time.Second, times: 3},
		{name: "under way when it was half open", class: Upstream, last: halfOpen(Upstream, 1, 40*time.Second), stays: true},
		{name: "a trial of a ban that is not half open", class: Upstream, last: active(Upstream, 1, time.Second), trial: true, stays: true},

		{name: "under way when the ban began", class: Upstream, last: active(Upstream, 1, time.Second), stays: true},
		{name: "under way, failed otherwise", class: Connect, last: active(Upstream, 1, time.Second), stays: true},
		{name: "under way, rate limit", class: RateLimit, last: active(Upstream, 1, time.Second), stays: true},
		{name: "a longer hint prolongs", class: RateLimit, hint: 60 * time.Second, last: active(RateLimit, 2, 5*time.Second), want: 60 * time.Second, times: 2},
		{name: "a shorter hint never shortens", class: RateLimit, hint: 2 * time.Second, last: active(RateLimit, 1, 5*time.Second), stays: true},
		{name: "a hard class prolongs", class: NotFound, last: active(RateLimit, 1, 5*time.Second), want: 300 * time.Second, times: 1},
		{name: "a hard class never shortens", class: NotFound, last: active(Upstream, 1, 1000*time.Second), stays: true},
		{name: "quota twice", class: Quota, last: active(Quota, 1, time.Second), stays: true},
		{name: "quota never shortens auth", class: Quota, last: forever, stays: true},
		{name: "auth twice", class: Auth, last: forever, stays: true},
		{name: "manual for good", class: Auth, last: &Ban{Class: Manual, Times: 1}, stays: true},
		{name: "manual for a while", class: Auth, last: active(Manual, 1, time.Second), stays: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := next(&config.Defaults.Bans, Failure{Class: tt.class, Reason: "why", RetryAfter: tt.hint}, tt.last, tt.trial, now)
			if tt.stays {
				if got != tt.last {
					t.Fatalf("got %+v, want the last one to stay", got)
				}
				return
			}
			if got == nil || got == tt.last {
				t.Fatalf("got %+v", got)
			}
			if d := got.Until.Sub(now); d != tt.want || got.Times != tt.times || got.Class != tt.class || got.Reason != "why" {
				t.Errorf("got %s, %+v, want %s and %d times", d, got, tt.want, tt.times)
			}
		})
	}
}

func TestAuthBansUntilTheConfigurationChanges(t *testing.T) {
	t.Parallel()
	now := newClock().now()
	for _, last := range []*Ban{nil, {Class: Quota, Until: now.Add(time.Hour), Times: 1}, {Class: Quota, Until: now, Times: 1}} {
		got := next(&config.Defaults.Bans, Failure{Class: Auth}, last, false, now)
		if got.Class != Auth || !got.Until.IsZero() || got.Ended(now.Add(1000*time.Hour)) {
			t.Errorf("after %+v: %+v", last, got)
		}
	}
}

func TestClassNames(t *testing.T) {
	t.Parallel()
	for c, want := range map[Class]string{None: "none", Auth: "auth", RateLimit: "rate_limit", Manual: "manual", 77: "class 77"} {
		if c.String() != want {
			t.Errorf("class %d is called %q, want %q", c, c, want)
		}
	}
	for _, c := range Classes {
		text, _ := c.MarshalText()
		var back Class
		if err := back.UnmarshalText(text); err != nil || back != c {
			t.Errorf("%s became %s: %v", c, back, err)
		}
	}
	var c Class
	if err := c.UnmarshalText([]byte("nonsense")); err == nil {
		t.Error("nonsense is a class")
	}
}

package board

import (
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestKeyIsKnownByLiveAnswers(t *testing.T) {
	t.Parallel()
	worked := func(b *Board, x *Target) { succeed(b, x) }
	refused := func(b *Board, x *Target) { fail(b, x, Failure{Class: Auth, Reason: "401"}) }
	broke := func(b *Board, x *Target) { fail(b, x, Failure{Class: Upstream, Reason: "500"}) }
	probed := func(b *Board, x *Target) {
		b.SetHealth(x.Channel, Health{State: sdk.HealthUp, Until: b.now().Add(time.Minute)})
	}
	tests := []struct {
		name  string
		open  bool // the channel has no key
		steps []func(*Board, *Target)
		want  sdk.KeyState
	}{
		{name: "not before one", steps: []func(*Board, *Target){probed, broke}, want: sdk.KeyUnknown},
		{name: "valid after a success", steps: []func(*Board, *Target){probed, worked}, want: sdk.KeyValid},
		{name: "a probe that says nothing of it changes nothing", steps: []func(*Board, *Target){worked, probed}, want: sdk.KeyValid},
		{name: "invalid after a refusal", steps: []func(*Board, *Target){worked, refused}, want: sdk.KeyInvalid},
		{name: "a late success does not mend it", steps: []func(*Board, *Target){refused, worked}, want: sdk.KeyInvalid},
		{name: "no key, nothing to know", open: true, steps: []func(*Board, *Target){worked}, want: sdk.KeyUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := channel("a", "m")
			if tt.open {
				c.Secret = ""
			}
			b, _ := newBoard(t, conf(c))
			x := target(t, b, "a", "m")
			for _, step := range tt.steps {
				step(b, x)
			}
			if h := x.Channel.Health(); h.Key != tt.want || !h.KeyUntil.IsZero() {
				t.Errorf("key %s until %s, want %s without a lease", h.Key, h.KeyUntil, tt.want)
			}
		})
	}
}

package board

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Channel is one account at a provider, and how it does.
type Channel struct {
	Config *config.Channel
	// Info is what plugins see of it.
	Info sdk.Channel

	terms *config.Bans
	reads *reads
	now   func() time.Time
	short chan<- struct{}
	*channelLive
}

// channelLive is carried over reloads as long as name, provider and
// credential stay the same.
type channelLive struct {
	places places
	// requests and tokens of the last minute.
	requests, tokens meter
	// refused is how often max_in_flight had no place, since somebody looked.
	refused atomic.Int64
	gate    gate
	health  atomic.Pointer[Health]
	avail   atomic.Pointer[Availability]
	// doubted: a fault banned it or a target of it since a probe saw it up.
	doubted  atomic.Bool
	suspects suspects
	seat
}

// seat is where a ban sits: on a target, or on its whole channel.
type seat struct {
	ban atomic.Pointer[Ban]
	// trial is set while one request finds out whether the ban is over: until
	// when it is waited for, in Unix nanoseconds. 0: there is none.
	trial atomic.Int64
	// lifted is the last ban here that was lifted; nil: none was.
	lifted atomic.Pointer[lift]
}

// keepManual takes an operator's ban over from an account that was replaced.
func (s *seat) keepManual(was *seat) {
	if ban := was.ban.Load(); ban != nil && ban.Class == Manual {
		s.ban.Store(ban)
	}
}

// Health is what the last probe found.
type Health struct {
	State  sdk.HealthState
	Reason string
	Until  time.Time

	Key      sdk.KeyState
	KeyUntil time.Time

	// Listed: Models is what the provider lists.
	Listed      bool
	Models      []sdk.ModelInfo
	ModelsUntil time.Time
	// SpecsUntil and PricesUntil are for what the list says of its models; zero:
	// it says nothing.
	SpecsUntil, PricesUntil time.Time

	// Learned is when each part was.
	Learned Learned
}

// known reports whether anything was found out.
func (h *Health) known() bool { return h.Learned != Learned{} }

// Learned is when each part of a channel's [Health] was found out; zero: it was
// not.
type Learned struct{ Health, Key, Models, Specs, Prices time.Time }

// Availability is what the last request or pre-check found.
type Availability struct {
	Available bool
	Reason    string
	Until     time.Time
	Learned   time.Time
}

// Health of the channel, never nil.
func (c *Channel) Health() *Health { return c.health.Load() }

// Availability of the channel; nil: never seen.
func (c *Channel) Availability() *Availability { return c.avail.Load() }

// Ban of the whole channel; nil: none.
func (c *Channel) Ban() *Ban { return c.ban.Load() }

// InFlight is how many requests the channel works on.
func (c *Channel) InFlight() int64 { return c.places.inFlight() }

// Known reports whether the channel needs no check before a request: it was
// seen up, by a request, a probe or a check, and nothing failed since.
func (c *Channel) Known() bool {
	if a := c.avail.Load(); a != nil {
		return a.Available
	}
	return c.health.Load().State == sdk.HealthUp
}

// SetAvailability keeps what a pre-check found.
func (c *Channel) SetAvailability(a Availability) {
	a.Learned = c.now()
	c.avail.Store(&a)
}

// Target is one model on one channel.
type Target struct {
	// Ref is the index in its view.
	Ref     uint32
	Channel *Channel
	// Model is the name that clients ask for.
	Model string
	// Upstream is the provider's name of it.
	Upstream string
	// Price by the configuration, else by the provider's list; nil: not known.
	Price *config.Price
	// Seed spreads the target in rendezvous hashing; equal in every router.
	Seed uint64
	// specs of its model are known; ownPrice: the price is the configuration's.
	specs, ownPrice bool

	*targetLive
}

// targetLive is carried over reloads like channelLive.
type targetLive struct {
	inFlight  atomic.Int64
	ttft      average      // nanoseconds
	errorRate fading       // 0 to 1
	failures  atomic.Int32 // in a row
	seat
}

// Name is channel/model, for people.
func (t *Target) Name() string { return t.Channel.Config.Name + "/" + t.Model }

// TTFT is the moving average of the time to the first token; 0: not measured.
func (t *Target) TTFT() time.Duration { return time.Duration(t.ttft.load()) }

// ErrorRate is a moving average from 0 to 1. It fades while nothing is tried:
// who is left alone for its errors must get another chance.
func (t *Target) ErrorRate() float64 { return t.errorRate.load(t.Channel.now) }

// InFlight is how many requests the target works on.
func (t *Target) InFlight() int64 { return t.inFlight.Load() }

// Ban of the target; nil: none. It may have ended.
func (t *Target) Ban() *Ban { return t.ban.Load() }

// Load is what least_load compares: the lower takes the request. A target
// never measured counts as fast, so that it gets measured.
func (t *Target) Load() float64 {
	return (t.ttft.load() + float64(time.Millisecond)) * float64(t.inFlight.Load()+1)
}

// Admission is the board's word on a target at one moment.
type Admission uint8

// The admissions, best first.
const (
	// Admitted: take it.
	Admitted Admission = iota
	// Doubtful: take it only where no other is left.
	Doubtful
	// Full: it works on as many requests as it may, so that a request has to wait.
	Full
	// Out: not now, not even as the last.
	Out
)

// Admit says whether the target may take a request now.
func (t *Target) Admit(now time.Time) Admission {
	c := t.Channel
	worst := Admitted
	if c.full(now) {
		worst = Full
	}
	for _, s := range [2]*seat{&c.seat, &t.seat} {
		b := s.ban.Load()
		switch {
		case b == nil:
		case !b.halfOpen(now):
			if b.Class.Hard() {
				return Out
			}
			worst = max(worst, Doubtful)
		case now.UnixNano() < s.trial.Load():
			worst = max(worst, Doubtful)
		}
	}
	if a := c.avail.Load(); a != nil {
		if !a.Available && now.Before(a.Until) {
			worst = max(worst, Doubtful)
		}
		return worst
	}
	if h := c.health.Load(); (h.State == sdk.HealthDown || h.State == sdk.HealthMisconfigured) && now.Before(h.Until) {
		return max(worst, Doubtful)
	}
	return worst
}

// Begin counts a request in. It is false where the channel works on as many as
// it may: [Queue] waits for a place. Every Begin that is true needs one
// [Board.Succeed], [Board.Fail] or [Target.Leave].
func (t *Target) Begin(now time.Time) bool { return t.BeginWith(now, 0) }

// BeginWith is Begin for a request of about so many tokens, which count until
// [Target.Settle] says how many there were.
func (t *Target) BeginWith(now time.Time, tokens int64) bool {
	if !t.Channel.enter(now, tokens) {
		return false
	}
	t.begin(now)
	return true
}

// Settle says how many tokens a request was that began with another number.
func (t *Target) Settle(begun time.Time, reserved, used int64) {
	if c := t.Channel; c.Config.TokensPerMinute > 0 {
		c.tokens.adjust(begun, used-reserved, c.now())
	}
}

// Withdraw counts a request out that was not sent.
func (t *Target) Withdraw(begun time.Time, tokens int64) {
	t.Channel.refund(begun, tokens)
	t.Leave()
}

// begin is for a request that has its place in the channel.
func (t *Target) begin(now time.Time) {
	t.inFlight.Add(1)
	t.recall(now)
	for _, s := range [2]*seat{&t.Channel.seat, &t.seat} {
		// Requests that the board let through at the very same moment may
		// share a trial, so that none has to look for its target anew.
		if b := s.ban.Load(); b != nil && b.halfOpen(now) && s.trial.Load() <= now.UnixNano() {
			s.trial.Store(now.Add(t.Channel.terms.MaxBackoff).UnixNano())
		}
	}
}

// Leave counts a request out that says nothing about the target, such as one
// whose client left.
func (t *Target) Leave() {
	// A trial that said nothing: where nobody else is there, it was that of
	// the one who leaves. Else it ends by its time.
	if t.inFlight.Add(-1) == 0 {
		t.seat.untried()
	}
	if t.Channel.leave() == 0 {
		t.Channel.seat.untried()
	}
}

// untried ends a trial. The common request writes nothing.
func (s *seat) untried() {
	if s.trial.Load() != 0 {
		s.trial.Store(0)
	}
}

// average is an exponentially weighted moving average that starts at zero.
type average struct{ bits atomic.Uint64 }

// weight of a new value.
const weight = 0.2

func (a *average) load() float64 { return math.Float64frombits(a.bits.Load()) }

// add takes a value in. With firstWhole the first one replaces the zero.
func (a *average) add(v float64, firstWhole bool) {
	for {
		old := a.bits.Load()
		was := math.Float64frombits(old)
		next := was + weight*(v-was)
		if old == 0 && firstWhole {
			next = v
		}
		// Writing what is there already would only bounce the cache line.
		if next == was || a.bits.CompareAndSwap(old, math.Float64bits(next)) {
			return
		}
	}
}

// fading is an average that halves with each half-life in which nothing was
// added.
type fading struct {
	average
	at atomic.Int64 // when something was added last, in Unix nanoseconds
}

// halfLife of an error rate: one that sent a target behind the others, at 20 %
// by default, lets it back in some seconds to a minute after.
const halfLife = 15 * time.Second

func (f *fading) load(now func() time.Time) float64 {
	v := f.average.load()
	if v == 0 {
		return 0 // the common case asks for no time
	}
	return v * math.Exp2(-float64(max(0, now().UnixNano()-f.at.Load()))/float64(halfLife))
}

// add takes a value in. A zero that changes nothing writes nothing.
func (f *fading) add(v float64, now func() time.Time) {
	for {
		old, was := f.bits.Load(), f.load(now)
		if old == 0 && v == 0 {
			return
		}
		if f.bits.CompareAndSwap(old, math.Float64bits(was+weight*(v-was))) {
			f.at.Store(now().UnixNano())
			return
		}
	}
}

func (f *fading) reset() { f.bits.Store(0) }

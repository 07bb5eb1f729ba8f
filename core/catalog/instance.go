package catalog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Instance is one plugin, whatever process it has now.
type Instance struct {
	catalog  *Catalog
	address  string
	identity string
	log      hclog.Logger
	upstream *upstream // holds the present configuration

	present atomic.Pointer[presence]
	calls   atomic.Uint64
	errors  atomic.Uint64
	took    latencies

	lastFailure atomic.Pointer[failure]
	sum         atomic.Pointer[sum]

	holders int                // Sets that have it; guarded by Catalog.mu
	stop    context.CancelFunc // nil until it is supervised; guarded by Catalog.mu
	hurry   chan struct{}      // ends a quarantine
	park    chan struct{}      // begins one by an operator's word

	mu       sync.Mutex
	status   Status
	manifest sdk.Manifest
	grants   Grants
	config   []byte // JSON, as the last process got it
	parked   string // why an operator has it in quarantine; empty: he has not
}

// presence is what calls find: a process, or why there is none.
type presence struct {
	life *life
	down Down
}

func (c *Catalog) newInstance(p *config.Plugin, identity string) *Instance {
	i := &Instance{
		catalog:  c,
		address:  p.Address(),
		identity: identity,
		log:      c.log.With("plugin", who(p)),
		upstream: newUpstream(c.options.Upstream, p),
		hurry:    make(chan struct{}, 1),
		park:     make(chan struct{}, 1),
	}
	i.absent(Starting, "it was not started yet")
	return i
}

// Manifest is what the plugin says of itself.
func (i *Instance) Manifest() sdk.Manifest {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.manifest
}

// Status is how the plugin does now.
func (i *Instance) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.status
	s.Address, s.Calls, s.Errors = i.address, i.calls.Load(), i.errors.Load()
	return s
}

// Grants of the present process.
func (i *Instance) Grants() Grants {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.grants
}

func (i *Instance) configJSON() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.config
}

// retry ends a quarantine: whoever loads a configuration again wants to know
// whether the plugin works now.
func (i *Instance) retry() {
	if i.Status().State == Quarantined {
		tell(i.hurry)
	}
}

// start brings up a process and lets calls go to it.
func (i *Instance) start(ctx context.Context) (*life, error) {
	began := time.Now()
	l, err := i.catalog.begin(ctx, i.upstream, false)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	m, pid := l.plugin.Manifest(), l.child.process().pid
	i.mu.Lock()
	s := &i.status
	first := s.Started.IsZero()
	if !first {
		s.Restarts++
	}
	s.Name, s.Version, s.PID, s.State, s.Started = m.Name, m.Version, pid, Ready, time.Now()
	s.Epoch++
	epoch := s.Epoch
	i.manifest, i.config, i.grants = m, l.config, l.grants
	s.Needs, s.Denied, s.Unasked = m.Needs, l.grants.Denied, l.grants.Unasked
	i.present.Store(&presence{life: l})
	i.mu.Unlock()
	if first {
		i.tell(l.grants)
	}
	level := hclog.Debug // of the first the summary at the router's start tells
	if epoch > 1 {
		level = hclog.Info
	}
	i.log.Log(level, "plugin started", "pid", pid, "version", m.Version, "took", took.Round(100*time.Microsecond))
	i.catalog.options.Observer.Started(i.upstream.plugin.Load(), pid, took)
	return l, nil
}

// absent makes calls fail at once.
func (i *Instance) absent(state State, reason string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status.State, i.status.PID = state, 0
	i.present.Store(&presence{down: Down{Plugin: i.address, State: state, Reason: reason}})
}

// supervise keeps a process running until ctx ends, beginning with l.
func (i *Instance) supervise(ctx context.Context, l *life) {
	b := backoff{Restart: i.catalog.options.Restart}
	for l != nil {
		pid, began := l.child.process().pid, time.Now()
		hung, parked := i.watch(ctx, l)
		if ctx.Err() != nil {
			i.absent(Stopped, notWanted)
			i.catalog.end(l, goodbyeTime)
			return
		}
		if parked != "" {
			i.out(parked)
			i.catalog.end(l, goodbyeTime)
			l = i.comeBack(ctx, &b)
			continue
		}
		i.absent(Restarting, "its process ended")
		reason := hung
		if reason == "" {
			reason = l.exit()
		}
		i.catalog.end(l, 0)
		i.catalog.options.Observer.Exited(i.upstream.plugin.Load(), pid, reason)
		l = i.revive(ctx, &b, reason, time.Since(began))
	}
	i.absent(Stopped, notWanted)
}

const notWanted = "no configuration in use names it"

// revive starts a process again, as often as it takes; nil: ctx has ended.
func (i *Instance) revive(ctx context.Context, b *backoff, reason string, lived time.Duration) *life {
	for {
		i.mu.Lock()
		i.status.LastExit = reason
		i.mu.Unlock()
		wait, quarantine := b.crashed(time.Now(), lived)
		if quarantine {
			reason = fmt.Sprintf("%d crashes within %v, the last: %s", b.Crashes, b.Window, reason)
			i.absent(Quarantined, reason)
			i.log.Error("plugin quarantined", "reason", reason, "for", wait)
		} else {
			i.absent(Restarting, reason)
			i.log.Warn("plugin crashed", "reason", reason, "restarts_in", wait)
		}
		if !i.pause(ctx, wait) || !i.released(ctx) {
			return nil
		}
		l, err := i.start(ctx)
		if err == nil {
			return l
		}
		if ctx.Err() != nil {
			return nil
		}
		reason, lived = strings.TrimPrefix(err.Error(), who(i.upstream.plugin.Load())+": "), 0
	}
}

// pause reports false when ctx has ended.
func (i *Instance) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.hurry:
	case <-i.park:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// watch returns when the process has ended, when it has to be ended, and then
// says why, or why an operator has it in quarantine, or when ctx has ended.
func (i *Instance) watch(ctx context.Context, l *life) (hung, parked string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := make(chan string, 1)
	go i.ping(ctx, l, silent)
	over := make(chan string, 1)
	if most := i.upstream.plugin.Load().Limits.Memory; most > 0 {
		go l.weigh(ctx, most, over)
	}
	for {
		select {
		case <-l.child.process().ended:
			return "", ""
		case <-ctx.Done():
			return "", ""
		case <-i.park:
			if parked = i.quarantine(); parked != "" {
				return "", parked
			} // else it was lifted again, as it may be during a start
		case <-i.hurry: // of a quarantine that is over: it must not shorten the next
		case hung = <-silent:
			if l.endsWithin(lastWordsTime) {
				return "", "" // its connection ended just before itself
			}
			l.child.kill()
			l.endsWithin(killTime)
			return hung, ""
		case hung = <-over:
			i.mu.Lock()
			i.status.MemoryKills++
			i.mu.Unlock()
			l.child.kill()
			l.endsWithin(killTime)
			return hung, ""
		}
	}
}

// killTime is how long the end of a killed process is waited for. The next one
// might find its files locked.
const killTime = 500 * time.Millisecond

// ping says when and why the process has to be ended.
func (i *Instance) ping(ctx context.Context, l *life, silent chan<- string) {
	h := &hunger{group: l.group}
	var since time.Time // the first ping that is not answered
	for {
		p := i.upstream.plugin.Load()
		within := p.PingTimeout
		if l.child.program == nil {
			within = atABreakpoint
		}
		if since.IsZero() && !sleep(ctx, untilNext(time.Since(pingsBegan), p.PingInterval)) {
			return
		}
		sent := time.Now()
		err, late := l.pinged(ctx, within, h)
		switch {
		case err == nil:
			since = time.Time{}
			continue
		case ctx.Err() != nil:
			return
		case !late:
			silent <- "lost its connection: " + err.Error()
			return
		}
		if since.IsZero() {
			since = sent
		}
		// Where the router itself stood still, the plugin gets another chance, too.
		if time.Since(sent) <= within*5/4 && !h.starved() || time.Since(since) > within+p.StarvedTimeout {
			silent <- fmt.Sprintf("did not answer for %v", within+sent.Sub(since).Round(time.Millisecond))
			return
		}
		if since == sent {
			i.log.Warn("plugin waits for a CPU and gets no time to answer", "for", within)
		}
	}
}

// pingsBegan is what pings are timed from.
var pingsBegan = time.Now()

// untilNext is how long it is until the next ping, so long after pingsBegan.
// All plugins get theirs at the same time, so that a router that idles wakes up once
// for all of them.
func untilNext(running, interval time.Duration) time.Duration {
	return interval - running%max(1, interval)
}

// pinged reports why a ping was not answered, and whether it took too long.
func (l *life) pinged(ctx context.Context, within time.Duration, h *hunger) (err error, late bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	looked := make(chan struct{})
	look := time.AfterFunc(within/4, func() {
		defer close(looked)
		h.look()
	})
	err = l.plugin.Ping(ctx)
	if !look.Stop() {
		<-looked
	}
	return err, ctx.Err() != nil
}

package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
)

// serving is what a router that listens has beside its edition.
type serving struct {
	server  *server.Server
	batches *batch.Batches
	// The listeners; admin is nil where there is none.
	public, admin net.Listener
	failed        chan error
}

// Serve listens until ctx ends, then drains. ready is called with the
// addresses when both listeners are open.
func (r *Router) Serve(ctx context.Context, ready func(public, admin net.Addr)) error {
	s, err := r.serve(ctx)
	if err != nil {
		return err
	}
	defer r.unserve(s)
	working, rest := context.WithCancel(ctx)
	defer rest()
	go s.batches.Run(working, s.server)
	go r.watch(working)
	ready(s.addresses())
	select {
	case err = <-s.failed:
	case <-ctx.Done():
	}
	rest()
	return errors.Join(err, r.drain(ctx, s))
}

// serve makes what Serve needs, and begins to listen.
func (r *Router) serve(ctx context.Context) (_ *serving, err error) {
	r.changing.Lock() // a reload finds either nothing of it or all
	defer r.changing.Unlock()
	e := r.present.Load()
	if err := r.openRecords(e.cfg); err != nil {
		return nil, err
	}
	s := &serving{failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.batches, err = batch.Open(batch.Options{
		Dir: r.data.dir, Config: e.cfg.Batch, MaxLine: e.cfg.Server.MaxBody, Log: r.log.Named("batch"),
	}); err != nil {
		return nil, err
	}
	if e.state.Telemetry, err = r.telemetry(ctx, e.cfg, nil); err != nil {
		return nil, err
	}
	if s.server, err = server.New(server.Options{
		Log: r.log.Named("server"), Metrics: r.metrics, AdminToken: r.data.token, State: e.state, Operator: r,
		Batches: s.batches, Desk: r.desk,
	}); err != nil {
		return nil, err
	}
	l, err := s.listen(ctx, nil, e.cfg)
	if err != nil {
		return nil, err
	}
	s.take(l)
	r.tell(s)
	r.serving = s
	return s, nil
}

// telemetry is what a configuration wants: the last edition's, where that wants
// the same.
func (r *Router) telemetry(ctx context.Context, cfg *config.Config, last *edition) (*telemetry.Telemetry, error) {
	if last != nil && reflect.DeepEqual(last.cfg.Telemetry, cfg.Telemetry) {
		return last.state.Telemetry, nil
	}
	return telemetry.New(context.WithoutCancel(ctx), &cfg.Telemetry, r.version, r.log.Named("telemetry"))
}

// untelemetry sends what is left, once the last request has ended that was
// followed, or the router ends.
func (r *Router) untelemetry(t *telemetry.Telemetry) {
	if t == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.Wait()
	}()
	select {
	case <-ended:
	case <-r.running.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		r.log.Warn("telemetry not sent", "err", err)
	}
}

// listeners are opened before anything is changed: it may be impossible.
type listeners struct {
	public, admin net.Listener // nil: it stays as it is
	noAdmin       bool         // there is to be none any more
}

// listen opens what a configuration wants that the last one, if any, did not.
func (s *serving) listen(ctx context.Context, last, cfg *config.Config) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var listen net.ListenConfig
	if last == nil || last.Server.Address != cfg.Server.Address {
		if l.public, err = listen.Listen(ctx, "tcp", cfg.Server.Address); err != nil {
			return l, fmt.Errorf("server.address: %w", err)
		}
	}
	if last != nil && last.Admin.Address == cfg.Admin.Address {
		return l, nil
	}
	if l.noAdmin = cfg.Admin.Address == ""; !l.noAdmin {
		if l.admin, err = listen.Listen(ctx, "tcp", cfg.Admin.Address); err != nil {
			return l, fmt.Errorf("admin.address: %w", err)
		}
	}
	return l, nil
}

func (l *listeners) close() {
	for _, x := range []net.Listener{l.public, l.admin} {
		if x != nil {
			x.Close()
		}
	}
}

// take answers at new listeners, and closes those in whose place they are. The
// connections that these have accepted go on.
func (s *serving) take(l listeners) {
	begin := func(serve func(net.Listener) error, l net.Listener) {
		if err := serve(l); err != nil {
			select {
			case s.failed <- err:
			default: // one is enough
			}
		}
	}
	if l.public != nil {
		if s.public != nil {
			s.public.Close()
		}
		s.public = l.public
		go begin(s.server.ServePublic, l.public)
	}
	if (l.admin != nil || l.noAdmin) && s.admin != nil {
		s.admin.Close()
		s.admin = nil
	}
	if l.admin != nil {
		s.admin = l.admin
		go begin(s.server.ServeAdmin, l.admin)
	}
}

// tell writes down where commands find the admin listener.
func (r *Router) tell(s *serving) {
	_, admin := s.addresses()
	if err := r.data.tell(admin); err != nil {
		r.log.Warn("admin address not written", "err", err)
	}
}

func (s *serving) addresses() (public, admin net.Addr) {
	if s.admin != nil {
		admin = s.admin.Addr()
	}
	return s.public.Addr(), admin
}

// change goes over to another edition, for the requests that come from now on.
func (s *serving) change(e *edition) {
	s.batches.Configure(e.cfg.Batch, e.cfg.Server.MaxBody)
	s.server.Swap(e.state)
}

// close gives up what was opened.
func (s *serving) close() {
	(&listeners{public: s.public, admin: s.admin}).close()
	if s.batches != nil {
		s.batches.Close()
	}
}

// drain lets requests and batches end, for as long as the configuration says.
func (r *Router) drain(ctx context.Context, s *serving) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.present.Load().cfg.Server.DrainTimeout)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.batches.Drain(ctx)
	}()
	defer func() { <-drained }()
	if err := s.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// unserve ends what serve made, once the last request has ended.
func (r *Router) unserve(s *serving) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.serving = nil
	s.close()
	if err := r.data.untell(); err != nil {
		r.log.Warn("admin address not removed", "err", err)
	}
	// Requests have ended, but for what was cut off.
	r.stop()
	r.untelemetry(r.present.Load().state.Telemetry)
}

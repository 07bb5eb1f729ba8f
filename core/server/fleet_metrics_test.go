package server

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/fleet"
)

// How old the view of other routers is can be seen as long as there may be
// others, also of a store that never answered.
func TestAgeOfTheSharedView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var status *fleet.Status
		st := &State{Board: board.New(nil), Fleet: func() *fleet.Status { return status }}
		m := NewMetrics(func() *State { return nil })
		all := prometheus.NewRegistry()
		all.MustRegister(&fleetSnapshot{state: func() *State { return st }, view: m.shared})
		age := func() time.Duration {
			t.Helper()
			families, err := all.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() == "smartrouter_shared_view_age_seconds" {
					return time.Duration(f.Metric[0].Gauge.GetValue() * float64(time.Second))
				}
			}
			return -1
		}
		is := func(what string, want time.Duration) {
			t.Helper()
			if got := age(); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		is("the store is the router's own", -1)
		status = &fleet.Status{}
		time.Sleep(10 * time.Second)
		m.StoreLooked(errors.New("away"))
		is("a store that never answered", 10*time.Second)
		m.StoreLooked(nil)
		time.Sleep(3 * time.Second)
		m.StoreLooked(errors.New("away"))
		is("a store that is away", 3*time.Second)
		status = nil
		is("the store is the router's own again", -1)
	})
}

package pipeline

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/plugins/prober/models"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// idler is every upstream of an idle router. What a channel does is in its
// name; each answer takes a second.
type idler struct {
	mu       sync.Mutex
	lists    map[string][]time.Time // GETs, by channel
	chats    map[string]int         // POSTs
	tokens   int                    // POSTs that were answered
	now, top int                    // requests at the same time
}

func (u *idler) Do(ctx context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	u.mu.Lock()
	first := len(u.lists[channel]) == 0
	u.now++
	u.top = max(u.top, u.now)
	if r.Method == http.MethodPost {
		u.chats[channel]++
	} else {
		u.lists[channel] = append(u.lists[channel], time.Now())
	}
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.now--
	}()
	if strings.HasPrefix(channel, "silent") {
		<-ctx.Done()
		return sdk.UpstreamResponse{}, status.Error(codes.DeadlineExceeded, "silent")
	}
	time.Sleep(time.Second) // of the test's own clock
	switch kind, _, _ := strings.Cut(channel, "-"); {
	case kind == "broken":
		return sdk.UpstreamResponse{Status: 500}, nil
	case r.Method != http.MethodPost && kind == "busy" && !first:
		return sdk.UpstreamResponse{Status: 429}, nil
	case r.Method != http.MethodPost && (kind == "lists" || kind == "busy"):
		return sdk.UpstreamResponse{Status: 200, Body: []byte(`{"data":[{"id":"m"}]}`)}, nil
	case r.Method != http.MethodPost:
		return sdk.UpstreamResponse{Status: 404}, nil
	case kind == "strict":
		return sdk.UpstreamResponse{Status: 404, Body: []byte(`{"error":{"code":"model_not_found"}}`)}, nil
	default: // lax: any model will do
		u.mu.Lock()
		defer u.mu.Unlock()
		u.tokens++
		return sdk.UpstreamResponse{Status: 200, Body: []byte(`{"choices":[]}`)}, nil
	}
}

// bound is the upstream of one channel.
type bound struct {
	*idler
	channel string
}

func (b bound) Do(ctx context.Context, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	return b.idler.Do(ctx, b.channel, r)
}

func TestAnIdleHourGeneratesNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		names := []string{"strict", "lax", "busy", "broken", "silent"}
		for i := range 12 {
			names = append(names, fmt.Sprintf("lists-%d", i))
		}
		r := newRig(names...)
		up := &idler{lists: make(map[string][]time.Time), chats: make(map[string]int)}
		plugin := models.New().Prober
		r.prober = func(ctx context.Context, c sdk.Channel, _ []string) (sdk.Health, error) {
			return plugin.Probe(ctx, c, bound{up, c.Name})
		}
		step := healthStep()
		step.AtOnce = 3
		p := r.pipeline(t, step, chooseStep(), callStep())
		ctx, cancel := context.WithCancel(t.Context())
		p.Background(ctx)
		p.Ready(ctx)

		began := time.Now()
		ranOut := make(map[string]bool)
		for time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			for _, c := range r.board.View().Channels {
				h := c.Health()
				if healthy := strings.HasPrefix(c.Config.Name, "lists"); healthy && (!h.Until.After(time.Now()) || !h.KeyUntil.After(time.Now()) || !h.ModelsUntil.After(time.Now())) {
					ranOut[c.Config.Name] = true
				}
			}
		}
		cancel()
		time.Sleep(time.Minute) // what is under way ends
		synctest.Wait()

		if len(ranOut) > 0 {
			t.Errorf("leases ran out at %v", ranOut)
		}
		if up.tokens != 1 || up.chats["lax"] != 1 {
			t.Errorf("%d chats were answered, %d of the one that ignores model names: it is found out by one", up.tokens, up.chats["lax"])
		}
		if n := up.chats["strict"]; n != len(up.lists["strict"]) || n < 13 || n > 16 {
			t.Errorf("%d chats with a made-up model and %d lists at the one that refuses the former", n, len(up.lists["strict"]))
		}
		delete(up.chats, "lax")
		delete(up.chats, "strict")
		if len(up.chats) > 0 {
			t.Errorf("chats at those that have a list: %v", up.chats)
		}
		// One that has become busy lists no more, and is not asked more often when its key
		// and its list run out; one that is down is looked after, so that its recovery is seen.
		if n := len(up.lists["busy"]); n < 13 || n > 16 {
			t.Errorf("a busy channel was asked %d times", n)
		}
		if n := len(up.lists["broken"]); n < 400 || n > 3600/5 {
			t.Errorf("a broken channel was asked %d times", n)
		}
		if up.top != step.AtOnce {
			t.Errorf("%d probes at the same time, want %d at most", up.top, step.AtOnce)
		}
		var earliest, latest time.Time // of the last probes
		for name, at := range up.lists {
			if !strings.HasPrefix(name, "lists") {
				continue
			}
			if last := at[len(at)-1]; earliest.IsZero() || last.Before(earliest) {
				earliest = last
			}
			if last := at[len(at)-1]; last.After(latest) {
				latest = last
			}
			for i := 1; i < len(at); i++ {
				if gap := at[i].Sub(at[i-1]); gap < step.Interval*8/10 || gap >= step.Interval {
					t.Errorf("%s: asked again after %s, of a lease of %s", name, gap, step.Interval)
				}
			}
		}
		// In step they would be as far apart as at the start: some seconds.
		if spread := latest.Sub(earliest); spread < 30*time.Second {
			t.Errorf("after an hour 12 channels are asked within %s: they go in step", spread)
		}
	})
}

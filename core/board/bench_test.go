package board

import (
	"fmt"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// large is a board with so many models on each of 38 channels.
func large(models int) (*Board, *config.Config) {
	list := make([]sdk.ModelInfo, models)
	for i := range list {
		list[i] = sdk.ModelInfo{ID: fmt.Sprintf("maker/model-%d", i), ContextTokens: 8192}
	}
	cfg := conf()
	for i := range 38 {
		c := channel(fmt.Sprint("channel-", i))
		c.Models = nil
		cfg.Channels = append(cfg.Channels, c)
	}
	b := New(nil)
	b.Apply(cfg)
	for _, c := range b.View().Channels {
		c.health.Store(&Health{Listed: true, Models: list})
	}
	b.Apply(cfg)
	return b, cfg
}

func BenchmarkRebuild(b *testing.B) {
	for _, models := range []int{173, 6566} {
		b.Run(fmt.Sprintf("38x%d", models), func(b *testing.B) {
			b.ReportAllocs()
			board, cfg := large(models)
			for b.Loop() {
				board.Apply(cfg)
			}
		})
	}
}

// heard is a change that another router wrote: a channel is up for longer.
func heard(b *Board) map[string]*keptHealth {
	c := b.View().Channels[0]
	h := *c.Health()
	h.State, h.Until, h.Learned.Health = sdk.HealthUp, b.now().Add(time.Minute), b.now()
	return map[string]*keptHealth{c.Config.Name: {account(c.Config), h}}
}

func BenchmarkFollow(b *testing.B) {
	for _, models := range []int{173, 6566} {
		b.Run(fmt.Sprintf("38x%d", models), func(b *testing.B) {
			b.ReportAllocs()
			board, _ := large(models)
			for b.Loop() {
				board.merge(heard(board), nil, account, false)
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	board, _ := large(173)
	v := board.View()
	for _, bb := range []struct {
		name      string
		fallbacks []string
	}{{name: "plain"}, {name: "fallbacks", fallbacks: []string{"model-2", "model-3"}}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v.Resolve("maker/model-1", bb.fallbacks) == nil {
					b.Fatal("nothing")
				}
			}
		})
	}
}

func BenchmarkAdmit(b *testing.B) {
	board, _ := large(1)
	x, now := board.View().Targets[0], time.Now()
	x.Channel.SetAvailability(Availability{Available: true, Until: now.Add(time.Hour)})
	b.ReportAllocs()
	for b.Loop() {
		if x.Admit(now) != Admitted {
			b.Fatal("out")
		}
	}
}

func BenchmarkSucceed(b *testing.B) {
	board, _ := large(1)
	x, now := board.View().Targets[0], time.Now()
	b.ReportAllocs()
	for b.Loop() {
		x.Begin(now)
		board.Succeed(x, time.Millisecond)
	}
}

package board

import (
	"fmt"
	"time"
)

// ErrUnknown: there is no such channel, or the channel has no such model.
type ErrUnknown struct{ Channel, Model string }

func (e *ErrUnknown) Error() string {
	if e.Model == "" {
		return fmt.Sprintf("there is no channel %q", e.Channel)
	}
	return fmt.Sprintf("channel %q has no model %q", e.Channel, e.Model)
}

// find is a channel and the seat of it or, where a model is named, of one of
// its targets.
func (b *Board) find(channel, model string) (*Channel, *seat, error) {
	v := b.View()
	c := v.Channel(channel)
	if c == nil {
		return nil, nil, &ErrUnknown{Channel: channel}
	}
	if model == "" {
		return c, &c.seat, nil
	}
	for _, t := range v.Find(model) {
		if t.Channel == c && t.Model == model {
			return c, &t.seat, nil
		}
	}
	return nil, nil, &ErrUnknown{Channel: channel, Model: model}
}

// Ban takes a channel, or one model on it, out by an operator's word, which
// replaces whatever ban is there and may so extend or shorten it. It holds for
// a while, or with 0 until [Board.Unban]. Without a reason the one of the ban
// that was there is kept. Errors are [ErrUnknown].
func (b *Board) Ban(channel, model string, d time.Duration, reason string) (*Ban, error) {
	c, s, err := b.find(channel, model)
	if err != nil {
		return nil, err
	}
	now := b.now()
	ban := &Ban{Class: Manual, Since: now, Times: 1}
	if d > 0 {
		ban.Until = now.Add(d)
	}
	b.put(c, model, s, func(last *Ban) *Ban {
		switch ban.Reason = reason; {
		case reason != "":
		case last != nil && !last.Ended(now):
			ban.Reason = last.Reason
		default:
			ban.Reason = "banned by hand"
		}
		return ban
	})
	return ban, nil
}

// Unban lifts the ban of one model on a channel or, without a model, those of
// the channel and of all its models, whatever they were for, and forgets what
// failures led to them. It answers how many were lifted. Errors are [ErrUnknown].
func (b *Board) Unban(channel, model string) (int, error) {
	c, _, err := b.find(channel, model)
	if err != nil {
		return 0, err
	}
	lifted, now := 0, b.now()
	lift := func(model string, s *seat) {
		var active bool
		b.replace(c, model, s, true, func(last *Ban) *Ban {
			active = last != nil && !last.Ended(now)
			return nil
		})
		if active {
			lifted++
		}
	}
	if model == "" {
		lift("", &c.seat)
		c.suspects.clear()
	}
	for _, t := range b.View().Targets {
		if t.Channel.channelLive == c.channelLive && (model == "" || t.Model == model) {
			lift(t.Model, &t.seat)
			t.failures.Store(0)
		}
	}
	return lifted, nil
}

package smart

import (
	"math"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// A factor is one thing that a strategy weighs. Its value is from 0 to 1, and
// 1 is best. It depends on the candidate alone, never on who else is there, so
// a score means the same in every answer.
type factor int

const (
	byCost factor = iota
	byParams
	byContext
	bySpeed
	byQuality
	byReliability
	byFree
	byLocal
	factors
)

// neutral is the value of what is not known.
const neutral = 0.5

// shares are the weights of a strategy. They add up to 1.
type shares [factors]float64

// normalised scales s to add up to 1.
func (s shares) normalised() shares {
	var sum float64
	for _, w := range s {
		sum += w
	}
	if sum > 0 {
		for f := range s {
			s[f] /= sum
		}
	}
	return s
}

// traits are what is known of a candidate for as long as a generation lasts.
type traits struct {
	price   float64 // US dollars per million tokens; below 0: not known
	billion float64 // parameters; 0: not known
	context int64   // tokens; 0: not known
	quality float64 // 0 to 1; below 0: not known
	free    bool
	local   bool
}

// inputShare is the share of input in the blended price: prompts are longer
// than answers, by three to one in the usual reckoning.
const inputShare = 0.75

func (s *selector) traitsOf(c *sdk.Candidate) traits {
	t := traits{
		price:   -1,
		billion: parameters(c.Model),
		context: c.ContextTokens,
		quality: s.rating(c.Model),
		local:   isLocal(c.Channel),
	}
	in, out := c.InputPrice, c.OutputPrice
	switch {
	case in != nil && out != nil:
		t.price = inputShare**in + (1-inputShare)**out
	case in != nil:
		t.price = *in
	case out != nil:
		t.price = *out
	}
	t.free = isFree(c, t)
	if t.free {
		t.price = 0
	}
	return t
}

// fixed is the part of the score that does not change within a generation.
//
//	cost     1 / (1 + price / $1 per million tokens)
//	params   log2(1 + billions) / 10, so 1 at a trillion
//	context  (log2(tokens) - 12) / 8, so 0 at 4 Ki and 1 at 1 Mi
//	quality  as rated
//	free     1 or 0
//	local    1 or 0
func (t traits) fixed(w *shares) float64 {
	price, size, length, rated := neutral, neutral, neutral, neutral
	if t.price >= 0 {
		price = 1 / (1 + t.price)
	}
	if t.billion > 0 {
		size = unit(math.Log2(1+t.billion) / 10)
	}
	if t.context > 0 {
		length = unit((math.Log2(float64(t.context)) - 12) / 8)
	}
	if t.quality >= 0 {
		rated = t.quality
	}
	sum := w[byCost]*price + w[byParams]*size + w[byContext]*length + w[byQuality]*rated
	if t.free {
		sum += w[byFree]
	}
	if t.local {
		sum += w[byLocal]
	}
	return sum
}

// live is the part of the score that changes from call to call.
//
//	speed        1 / (1 + time to first token / 1 s); 1 where never measured,
//	             so that a new target is tried, and then measured
//	reliability  1 - error rate
func live(c *sdk.Candidate, w *shares) float64 {
	fast := 1 / (1 + float64(max(c.TTFT, 0))/float64(time.Second))
	return w[bySpeed]*fast + w[byReliability]*(1-unit(c.ErrorRate))
}

// unit is v within 0 to 1. What is no number is 0.
func unit(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

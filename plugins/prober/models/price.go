package models

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// limits are in an object of their own at OpenRouter.
type limits struct{ MaxCompletionTokens number }

// UnmarshalJSON never fails.
func (l *limits) UnmarshalJSON(b []byte) error {
	var fields struct {
		MaxCompletionTokens number `json:"max_completion_tokens"`
	}
	if json.Unmarshal(b, &fields) == nil {
		l.MaxCompletionTokens = fields.MaxCompletionTokens
	}
	return nil
}

// pricing is what a provider charges. There is no one form of it, and a price
// that is off by a power of ten is worse than none, so only two are read:
//
//   - {"prompt": "0.0000025", "completion": "0.00001"}: text, US dollars a token,
//     as OpenRouter has it and those who follow it.
//   - {"input": 2.5, "output": 10}: numbers, US dollars per million tokens, as
//     Together has it.
type pricing sdk.Price

// maxPrice is the highest that is believed, in US dollars per million tokens: no
// model costs a tenth of it, and what does is in another unit.
const maxPrice = 10_000

// UnmarshalJSON never fails.
func (p *pricing) UnmarshalJSON(b []byte) error {
	var fields struct {
		Prompt, Completion any
		Input, Output      any
	}
	_ = json.Unmarshal(b, &fields) // of another form, it leaves them empty
	in, inOK := perToken(fields.Prompt)
	out, outOK := perToken(fields.Completion)
	if !inOK || !outOK {
		in, inOK = perMillion(fields.Input)
		out, outOK = perMillion(fields.Output)
	}
	if inOK && outOK && in <= maxPrice && out <= maxPrice {
		*p = pricing{Known: true, Input: in, Output: out}
	}
	return nil
}

// perToken reads text. A negative price is one that depends on the request.
func perToken(v any) (perMillion float64, ok bool) {
	text, ok := v.(string)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0) {
		return 0, false
	}
	// 0.0000025 a token is 2.5 per million, and not 2.4999999999999996.
	return math.Round(f*1e12) / 1e6, true
}

func perMillion(v any) (float64, bool) {
	f, ok := v.(float64)
	return f, ok && f >= 0
}

package sdk

import (
	"cmp"
	"slices"
)

// Where are the candidates for which keep is true, in their order.
func Where(cs []Candidate, keep func(Candidate) bool) []Candidate {
	kept, _ := Split(cs, keep)
	return kept
}

// Split tells those for which is is true from the others: often the first tier
// and the next one. Both keep their order.
func Split(cs []Candidate, is func(Candidate) bool) (those, others []Candidate) {
	for _, c := range cs {
		if is(c) {
			those = append(those, c)
		} else {
			others = append(others, c)
		}
	}
	return those, others
}

// SortedBy are the candidates with the lowest key first. Equals keep their order.
func SortedBy[K cmp.Ordered](cs []Candidate, key func(Candidate) K) []Candidate {
	return slices.SortedStableFunc(slices.Values(cs), func(a, b Candidate) int { return cmp.Compare(key(a), key(b)) })
}

// HasTag reports whether the channel has the tag.
func (c Channel) HasTag(tag string) bool { return slices.Contains(c.Tags, tag) }

// Fits reports whether so many tokens, prompt and answer together, are within
// the model's context. One whose context is not known fits.
func (c Candidate) Fits(tokens int64) bool { return c.ContextTokens == 0 || tokens <= c.ContextTokens }

// Cost is what so many tokens cost, in US dollars; false where a price is not
// known.
func (c Candidate) Cost(promptTokens, answerTokens int64) (dollars float64, known bool) {
	if c.InputPrice == nil || c.OutputPrice == nil {
		return 0, false
	}
	const million = 1e6
	return (float64(promptTokens)**c.InputPrice + float64(answerTokens)**c.OutputPrice) / million, true
}

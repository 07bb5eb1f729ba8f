package config

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean is the remedy for an unknown word: the nearest of those that are
// known, or all of them where there are few and none is near.
func didYouMean(word string, known []string, show func(string) string) string {
	known = slices.Sorted(slices.Values(known))
	best, least := "", min(max(1, len(word)/3), 5)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", show(best))
	}
	const few = 20
	if len(known) == 0 || len(known) > few {
		return ""
	}
	shown := make([]string, len(known))
	for i, k := range known {
		shown[i] = show(k)
	}
	return "known: " + strings.Join(shown, ", ")
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
func plain(s string) string  { return s }

// distance is how many letters have to be added, removed, replaced or swapped
// with their neighbour: a swap is the commonest slip, so it counts once.
func distance(from, to string) int {
	a, b := []rune(from), []rune(to)
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

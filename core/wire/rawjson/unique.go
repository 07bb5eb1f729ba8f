package rawjson

import (
	"bytes"
	"unicode"
)

// uniqueKeys remembers keys and finds those that differ in nothing but case.
// An ordinary request has fewer keys than fit here, so it allocates nothing.
type uniqueKeys struct {
	n     int
	words [32]uint64
	names [32][]byte
	more  map[string]struct{} // folded; once the arrays are full
}

// add notes a decoded key, whose head is word, and tells whether it is new.
func (u *uniqueKeys) add(name []byte, word uint64) bool {
	if word&highs != 0 || !ascii(name) {
		// The Kelvin sign folds to k and the long s to s: only such keys need
		// more than ASCII case folding.
		name = folded(name)
		word = head(name)
	}
	word = word | each*0x20 ^ uint64(len(name))
	for i := range u.n {
		if u.words[i] == word && len(u.names[i]) == len(name) && bytes.EqualFold(u.names[i], name) {
			return false
		}
	}
	if u.n < len(u.names) {
		u.words[u.n], u.names[u.n] = word, name
		u.n++
		return true
	}
	key := string(folded(name))
	if _, ok := u.more[key]; ok {
		return false
	}
	if u.more == nil {
		u.more = make(map[string]struct{})
	}
	u.more[key] = struct{}{}
	return true
}

// folded maps every character to the smallest one that differs from it only in
// case, as encoding/json does when it matches keys to fields.
func folded(name []byte) []byte {
	return bytes.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}

// plain tells whether the raw key name, whose head is word, stands for itself:
// ASCII with no escapes.
func plain(name []byte, word uint64) bool {
	if odd(word) {
		return false
	}
	for len(name) > 8 {
		name = name[8:]
		if odd(head(name)) {
			return false
		}
	}
	return true
}

// odd tells whether word holds a byte above ASCII or a backslash.
func odd(word uint64) bool {
	slash := word ^ each*'\\'
	return (word|(slash-each)&^slash)&highs != 0
}

func ascii(name []byte) bool {
	for _, c := range name {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

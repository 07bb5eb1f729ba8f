package sdk

import (
	"fmt"
	"strings"
)

// Facts are all that there are, but for those of [HeaderFact].
var Facts = []Fact{
	FactModel, FactEndpoint, FactStream, FactSize, FactTokens, FactTools, FactImages, FactJSON, FactKey,
	FactRegion, FactPrefix, FactNow,
}

const headerFact = "header:"

// ParseFact reads a fact's name, such as "model" or "header:x-team".
func ParseFact(s string) (Fact, error) {
	for _, f := range Facts {
		if string(f) == s {
			return f, nil
		}
	}
	name, isHeader := strings.CutPrefix(s, headerFact)
	if !isHeader {
		return "", fmt.Errorf("unknown fact %q", s)
	}
	if !isHeaderName(name) {
		return "", fmt.Errorf("fact %q: a header's name is of lower-case letters, digits, - and _", s)
	}
	return Fact(s), nil
}

func isHeaderName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return s != ""
}

// Header is the header's name of a [HeaderFact]; false for every other fact.
func (f Fact) Header() (string, bool) { return strings.CutPrefix(string(f), headerFact) }

package rawjson

import (
	"fmt"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901), cut into its decoded tokens.
type pointer []string

func parsePointer(s string) (pointer, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("the pointer %.100q does not begin with a slash", s)
	}
	p := pointer(strings.Split(s[1:], "/"))
	for i, token := range p {
		if !strings.Contains(token, "~") {
			continue
		}
		for rest := token; ; {
			_, after, found := strings.Cut(rest, "~")
			if !found {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, fmt.Errorf("the pointer %.100q has a ~ that is neither ~0 nor ~1", s)
			}
			rest = after
		}
		p[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return p, nil
}

// At is where a JSON pointer leads in well-formed JSON. It is false where nothing
// is.
func At(doc []byte, path string) (Range, bool) {
	p, err := parsePointer(path)
	if err != nil {
		return Range{}, false
	}
	found, err := locate(doc, p)
	return found.value, err == nil && found.value.Present()
}

// inside reports whether p is below q.
func (p pointer) inside(q pointer) bool {
	if len(p) <= len(q) {
		return false
	}
	for i := range q {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

// arrayIndex is a token as that of an array: digits without a leading zero.
func arrayIndex(token string) (int, bool) {
	if token == "" || len(token) > 9 || len(token) > 1 && token[0] == '0' {
		return 0, false
	}
	for i := range len(token) {
		if token[i]-'0' > 9 {
			return 0, false
		}
	}
	n, err := strconv.Atoi(token)
	return n, err == nil
}

// place is where a pointer leads.
type place struct {
	// value is what is there; absent: nothing is.
	value Range
	// parent is the kind of what holds it: '{', '[', or 0 for the document.
	parent byte
	// start and end of the element or member, without commas. Where there is
	// none, both are the place before the parent's closing bracket.
	start, end int
	// prevEnd is the end of the element before it, or the place behind the
	// opening bracket; next the start of the one behind it, 0 for the last.
	prevEnd, next int
	// at is its number in the parent; where it is absent, how many there are.
	at int
}

// locate follows a pointer through well-formed JSON. It is an error where the
// place could not even be added to: its parent is not there, or holds nothing.
// Of two members with the same name, the last counts.
func locate(doc []byte, p pointer) (place, error) {
	c := Cursor{Doc: doc}
	c.Peek()
	if len(p) == 0 {
		v := c.Skip()
		return place{value: v, start: v.Start, end: v.End}, nil
	}
	for _, token := range p[:len(p)-1] {
		in, err := step(&c, token)
		if err != nil {
			return place{}, err
		}
		if !in.value.Present() {
			return place{}, fmt.Errorf("there is no %.100q", token)
		}
		c.At = in.value.Start
	}
	return step(&c, p[len(p)-1])
}

// step finds one token in the next value.
func step(c *Cursor, token string) (place, error) {
	switch {
	case c.Object():
		return stepObject(c, token), nil
	case c.Array():
		return stepArray(c, token)
	default:
		return place{}, fmt.Errorf("%.100q would be inside a value that holds none", token)
	}
}

func stepObject(c *Cursor, token string) place {
	found := place{parent: '{'}
	here, prevEnd, n, pending := false, c.At, 0, false
	for c.More() {
		start := c.At
		if pending {
			found.next, pending = start, false
		}
		if !c.Key() {
			break
		}
		same := string(c.Name) == token
		value := c.Skip()
		if same {
			found = place{parent: '{', value: value, start: start, end: value.End, prevEnd: prevEnd, at: n}
			here, pending = true, true
		}
		prevEnd = value.End
		n++
	}
	if !here {
		found.start, found.end, found.prevEnd, found.at = prevEnd, prevEnd, prevEnd, n
	}
	return found
}

func stepArray(c *Cursor, token string) (place, error) {
	want, isIndex := arrayIndex(token)
	if !isIndex && token != "-" {
		return place{}, fmt.Errorf("%.100q is no index of an array", token)
	}
	prevEnd, n := c.At, 0
	for c.More() {
		value := c.Skip()
		if isIndex && n == want {
			found := place{parent: '[', value: value, start: value.Start, end: value.End, prevEnd: prevEnd, at: n}
			if c.More() {
				found.next = c.At
			}
			return found, nil
		}
		prevEnd = value.End
		n++
	}
	if isIndex && want != n {
		return place{}, fmt.Errorf("the index %d is behind the end of an array of %d", want, n)
	}
	return place{parent: '[', start: prevEnd, end: prevEnd, prevEnd: prevEnd, at: n}, nil
}

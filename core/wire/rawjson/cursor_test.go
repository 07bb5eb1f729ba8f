package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	doc := []byte(` {"id" : "a\"b\\", "n":-12, "list":[ 1,{"x":[]}, "s" ], "\u006fther":null , "last":true}`)
	c := rawjson.Cursor{Doc: doc}
	if !c.Object() {
		t.Fatal("no object")
	}
	got := map[string]string{}
	for c.Key() {
		name := string(c.Name)
		switch name {
		case "id":
			got[name], _ = c.Text()
		case "n":
			n, ok := c.Int()
			if !ok || n != -12 {
				t.Errorf("n = %d, %v", n, ok)
			}
		case "list":
			if !c.Array() {
				t.Fatal("no array")
			}
			for c.More() {
				got[name] += string(c.Skip().Of(doc)) + ";"
			}
		default:
			got[name] = string(c.Skip().Of(doc))
		}
	}
	for name, want := range map[string]string{"id": `a"b\`, "list": `1;{"x":[]};"s";`, "other": "null", "last": "true"} {
		if got[name] != want {
			t.Errorf("%s = %s, want %s", name, got[name], want)
		}
	}
	if c.Cut || c.At != len(doc) {
		t.Errorf("cut %v at %d, want the end of %d", c.Cut, c.At, len(doc))
	}
}

func TestCursorReadsUpToACut(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"error":{"code":"insufficient_quota","message":"You exceeded your cur`)
	c := rawjson.Cursor{Doc: doc}
	var code, message string
	for c.Object() {
		for c.Key() {
			switch string(c.Name) {
			case "error":
				if !c.Object() {
					t.Fatal("no object")
				}
			case "code":
				code, _ = c.Text()
			case "message":
				message, _ = c.Text()
			}
		}
	}
	if code != "insufficient_quota" || message != "You exceeded your cur" || !c.Cut {
		t.Errorf("code %q, message %q, cut %v", code, message, c.Cut)
	}
}

// walk visits everything below the next value.
func walk(t *testing.T, c *rawjson.Cursor, depth int) {
	before := c.At
	switch {
	case depth < 50 && c.Object():
		for c.Key() {
			walk(t, c, depth+1)
		}
	case depth < 50 && c.Array():
		for c.More() {
			walk(t, c, depth+1)
		}
	default:
		if at := c.Skip(); at.Start < before || at.End < at.Start || at.End > len(c.Doc) {
			t.Fatalf("range %v of %d bytes", at, len(c.Doc))
		}
	}
	if c.At < before || c.At > len(c.Doc) {
		t.Fatalf("moved from %d to %d of %d", before, c.At, len(c.Doc))
	}
}

// FuzzCursor holds it to its promise: any bytes, no panic, no hang, never
// backwards; and a well-formed document is read to its end.
func FuzzCursor(f *testing.F) {
	for _, s := range append(seeds, `{"a":[1,{"b":"c`, `{,,}`, `{"a" 1]}`, `"\`, `[[[`, `{"a":tru`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		c := rawjson.Cursor{Doc: doc}
		walk(t, &c, 0)
		if rawjson.Valid(doc) && c.Peek() != 0 {
			t.Fatalf("%q: stopped at %d", doc, c.At)
		}
		skip := rawjson.Cursor{Doc: doc}
		skip.Skip()
		if rawjson.Valid(doc) && skip.Peek() != 0 {
			t.Fatalf("%q: skipped to %d", doc, skip.At)
		}
	})
}

func TestChild(t *testing.T) {
	t.Parallel()
	doc := []byte(` {"a":{"b":"x\\n\"y"}, "n":1, "null":null, "\u0062":"decoded"} `)
	inner := rawjson.Child(doc, "a")
	if !rawjson.IsObject(inner) || rawjson.IsObject(rawjson.Child(doc, "n")) || rawjson.IsObject(nil) {
		t.Errorf("a is %s", inner)
	}
	if got := rawjson.Str(inner, "b"); string(got) != `x\\n\"y` {
		t.Errorf("a.b is %s", got)
	}
	if got := rawjson.Str(doc, "b"); string(got) != "decoded" {
		t.Errorf("b is %q", got)
	}
	for _, name := range []string{"a", "n", "null", "absent"} {
		if got := rawjson.Str(doc, name); got != nil {
			t.Errorf("%s is the string %q", name, got)
		}
	}
	for _, other := range []string{"", "[1]", `"a"`, "null"} {
		if got := rawjson.Child([]byte(other), "a"); got != nil {
			t.Errorf("%s has the child %s", other, got)
		}
	}
}

func TestCursorInside(t *testing.T) {
	t.Parallel()
	c := rawjson.Cursor{Doc: []byte(`["a\n", 1, {"b":"c"}, ""]`)}
	want := []string{`a\n`, "", "", ""}
	if !c.Array() {
		t.Fatal("it is no array")
	}
	for i := 0; c.More(); i++ {
		if got := c.Inside(); string(got) != want[i] {
			t.Errorf("element %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"0": 0, "-7": -7, "123456789012345678": 123456789012345678} {
		if n, ok := rawjson.Int([]byte(raw)); !ok || n != want {
			t.Errorf("Int(%s) = %d, %v", raw, n, ok)
		}
	}
	for _, raw := range []string{"", "-", "1.5", "1e3", `"1"`, "null", "1234567890123456789"} {
		if n, ok := rawjson.Int([]byte(raw)); ok {
			t.Errorf("Int(%s) = %d, want none", raw, n)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "q\"b\\s/", "\x00\x1f\n\r\t\b\f", "größe 😀", "\xff\xfeabc", `\ud83d\ude00`, `\ud83dx`, `\ude00`, `\ud83d\u0041`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := rawjson.AppendQuote([]byte("~"), s)[1:]
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatalf("%q quoted to %q: %v", s, quoted, err)
		}
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var same string
		if err := json.Unmarshal(std, &same); err != nil || same != want {
			t.Fatalf("%q quoted to %q, means %q", s, quoted, want)
		}
		if inside := rawjson.Escaped(s); string(inside) != string(rawjson.Inside(quoted)) {
			t.Fatalf("%q escaped to %q, quoted to %q", s, inside, quoted)
		}
		if got, ok := rawjson.Unquote(quoted); !ok || got != want {
			t.Fatalf("Unquote(%q) = %q, %v, want %q", quoted, got, ok, want)
		}
		// The other way: s as the raw inside of a string.
		raw := []byte(`"` + s + `"`)
		if json.Unmarshal(raw, &want) != nil {
			return
		}
		if got, ok := rawjson.Unquote(raw); !ok || got != want {
			t.Fatalf("Unquote(%q) = %q, %v, want %q", raw, got, ok, want)
		}
	})
}

func TestAppendText(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, raw, want string
		inexact         bool
	}{
		{name: "empty"},
		{name: "plain", raw: "größe 😀", want: "größe 😀"},
		{name: "escapes", raw: `\"\\\/\b\f\n\r\t\u00e4`, want: "\"\\/\b\f\n\r\tä"},
		{name: "pair", raw: `\ud83d\ude00`, want: "😀"},
		{name: "the character that stands for none", raw: "\ufffd\\ufffd", want: "\ufffd\ufffd"},
		{name: "first half of a pair", raw: `a\ud83d`, want: "a\ufffd", inexact: true},
		{name: "second half of a pair", raw: `\ude00b`, want: "\ufffdb", inexact: true},
		{name: "half a pair before another character", raw: `\ud83d\u0041`, want: "\ufffdA", inexact: true},
		{name: "torn character", raw: "a\xc3", want: "a\ufffd", inexact: true},
		{name: "torn character beside an escape", raw: "\\n\xc3", want: "\n\ufffd", inexact: true},
		{name: "torn escape", raw: `a\`, want: `a\`, inexact: true},
	} {
		got, exact := rawjson.AppendText([]byte("~"), []byte(tc.raw))
		if string(got) != "~"+tc.want || exact == tc.inexact {
			t.Errorf("%s: %q, exact %v, want %q, %v", tc.name, got, exact, "~"+tc.want, !tc.inexact)
		}
	}
}

package rawjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

var wanted = rawjson.NewKeys("model", "stream", "messages", "n", "", "größe")

func TestScan(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"messages":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	for _, tc := range []struct {
		name  string
		doc   string
		depth int
		want  map[string]string // raw values of the fields found
		err   string
	}{
		{name: "empty object", doc: " {\t}\n", want: map[string]string{}},
		{name: "fields", doc: `{"model":"m", "x":[1,{"model":2}], "stream" : true }`, want: map[string]string{"model": `"m"`, "stream": "true"}},
		{name: "escaped key", doc: `{"mod\u0065l":"m"}`, want: map[string]string{"model": `"m"`}},
		{name: "empty and long keys", doc: `{"":1,"größe":2}`, want: map[string]string{"": "1", "größe": "2"}},
		{name: "case matters to us", doc: `{"Model":"m"}`, want: map[string]string{}},
		{name: "numbers", doc: `{"n":-0.5e+10}`, want: map[string]string{"n": "-0.5e+10"}},
		{name: "bytes that are not UTF-8", doc: "{\"model\":\"\xff\xfe\"}", want: map[string]string{"model": "\"\xff\xfe\""}},
		{name: "as deep as allowed", doc: deep(3), depth: 4, want: map[string]string{"messages": "[[[]]]"}},

		{name: "nothing", doc: " ", err: "byte 1: the body is empty, want a JSON object"},
		{name: "array", doc: `[1]`, err: "byte 0: want a JSON object, found '['"},
		{name: "byte order mark", doc: "\ufeff{}", err: "byte 0: want a JSON object, found a byte order mark"},
		{name: "HTML", doc: "<html>", err: "byte 0: want a JSON object, found '<'"},
		{name: "duplicate", doc: `{"model":1,"model":2}`, err: `byte 11: duplicate key "model"`},
		{name: "duplicate by escape", doc: `{"model":1,"\u006dodel":2}`, err: `byte 11: duplicate key "model"`},
		{name: "duplicate by case", doc: `{"model":1,"MODEL":2}`, err: `byte 11: duplicate key "MODEL"`},
		{name: "duplicate by Kelvin sign", doc: `{"key":1,"` + "\u212a" + `ey":2}`, err: `byte 9: duplicate key "` + "\u212a" + `ey"`},
		{name: "second object", doc: `{}{}`, err: "byte 2: more behind the end of the value: '{'"},
		{name: "not closed", doc: `{"model":1`, err: "byte 10: the object is not closed"},
		{name: "array not closed", doc: `{"n":[1`, err: "byte 7: an object or array is not closed"},
		{name: "string not closed", doc: `{"model":"abc}`, err: "byte 9: a string is not closed"},
		{name: "wrong bracket", doc: `{"n":[1}}`, err: "byte 7: want ',' or ']' after a value, found '}'"},
		{name: "wrong brace", doc: `{"n":{"a":1]}`, err: "byte 11: want ',' or '}' after a value, found ']'"},
		{name: "trailing comma", doc: `{"n":1,}`, err: "byte 7: want a key in double quotes, found '}'"},
		{name: "no colon", doc: `{"n" 1}`, err: "byte 5: want ':' after a key, found '1'"},
		{name: "no value", doc: `{"n":`, err: "byte 5: a value is missing at the end"},
		{name: "single quotes", doc: `{'n':1}`, err: "byte 1: want a key in double quotes, found '\\''"},
		{name: "leading zero", doc: `{"n":01}`, err: "byte 6: want ',' or '}' after a value, found '1'"},
		{name: "bare minus", doc: `{"n":-}`, err: "byte 6: want a digit, found '}'"},
		{name: "bare point", doc: `{"n":1.}`, err: "byte 7: want a digit after the decimal point, found '}'"},
		{name: "bare exponent", doc: `{"n":1e}`, err: "byte 7: want a digit in the exponent, found '}'"},
		{name: "literal", doc: `{"n":nul}`, err: "byte 5: want null, found 'n'"},
		{name: "NaN", doc: `{"n":NaN}`, err: "byte 5: want a value, found 'N'"},
		{name: "control character", doc: "{\"n\":\"0123456789abcdef\n\"}", err: "byte 22: control character 0x0a in a string, want it escaped"},
		{name: "bad escape", doc: `{"n":"\x"}`, err: "byte 6: a backslash must be followed by"},
		{name: "short escape", doc: `{"n":"\u12"}`, err: "byte 6: a backslash must be followed by"},
		{name: "too deep", doc: deep(4), depth: 4, err: "byte 15: nested deeper than 4 levels"},
		{name: "too deep for the default", doc: deep(512), err: "nested deeper than 512 levels"},
		{name: "too deep for anyone", doc: deep(1024), depth: 5000, err: "nested deeper than 1024 levels"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out := make([]rawjson.Field, wanted.Len())
			err := wanted.Scan([]byte(tc.doc), tc.depth, out)
			if tc.err != "" {
				var syntax *rawjson.SyntaxError
				if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("err = %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for i, name := range []string{"model", "stream", "messages", "n", "", "größe"} {
				if out[i].Value.Present() {
					got[name] = string(out[i].Value.Of([]byte(tc.doc)))
					var key string
					if err := json.Unmarshal(out[i].Key.Of([]byte(tc.doc)), &key); err != nil || key != name {
						t.Errorf("key range of %q holds %q", name, out[i].Key.Of([]byte(tc.doc)))
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("found %v, want %v", got, tc.want)
			}
		})
	}
}

func TestScanManyKeys(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("{")
	for i := range 200 {
		fmt.Fprintf(&b, `"key%d":%d,`, i, i)
	}
	out := make([]rawjson.Field, wanted.Len())
	if err := wanted.Scan([]byte(b.String()+`"model":1}`), 0, out); err != nil {
		t.Fatal(err)
	}
	err := wanted.Scan([]byte(b.String()+`"KEY150":1}`), 0, out)
	if err == nil || !strings.Contains(err.Error(), `duplicate key "KEY150"`) {
		t.Errorf("err = %v, want a duplicate key", err)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`1`, ` "a" `, `[1,"a",{"b":null}]`, `true`, `{}`, `1 2`, `[`, `{"a"}`, ``, `01`, `"` + "\x01" + `"`} {
		if got, want := rawjson.Valid([]byte(doc)), json.Valid([]byte(doc)); got != want {
			t.Errorf("Valid(%q) = %v, want %v", doc, got, want)
		}
	}
}

// topLevel reads doc with encoding/json: its raw top-level values, and whether
// a key is repeated once case is ignored.
func topLevel(doc []byte) (values map[string]json.RawMessage, repeated bool, err error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return nil, false, fmt.Errorf("no object: %v %v", tok, err)
	}
	values, folded := map[string]json.RawMessage{}, map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, false, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, false, fmt.Errorf("key %v", tok)
		}
		fold := strings.Map(smallestFold, key)
		repeated = repeated || folded[fold]
		folded[fold] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, false, err
		}
		values[key] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, false, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false, errors.New("more behind the object")
	}
	return values, repeated, nil
}

func smallestFold(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

var seeds = []string{
	`{"model":"m","messages":[{"role":"user","content":"hé\n\ud83d\ude00"}],"stream":true,"n":1.5e3}`,
	`{"a":{"b":[[],{}]},"model":null}`, `{"model":1,"Model":2}`, `{"\u006dodel":1}`, `{}`, `[]`, ` { } `, `{"a":1,}`,
	"{\"\xff\":1,\"\ufffd\":2}", `{"s":"S","ſ":1}`, `{"n":"0123456789abcde\\"}`, `{"":0,"größe":1}`,
}

func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		out := make([]rawjson.Field, wanted.Len())
		err := wanted.Scan(doc, 0, out)
		values, repeated, stdErr := topLevel(doc)
		if err != nil {
			if stdErr == nil && json.Valid(doc) && !repeated && !strings.Contains(err.Error(), "deeper") {
				t.Fatalf("%q refused: %v", doc, err)
			}
			return
		}
		if stdErr != nil || !json.Valid(doc) {
			t.Fatalf("%q accepted, encoding/json says %v", doc, stdErr)
		}
		if repeated {
			t.Fatalf("%q accepted, it repeats a key", doc)
		}
		for i, name := range []string{"model", "stream", "messages", "n", "", "größe"} {
			raw, ok := values[name]
			if ok != out[i].Value.Present() || ok && !bytes.Equal(raw, out[i].Value.Of(doc)) {
				t.Fatalf("%q: %s = %q, want %q", doc, name, out[i].Value.Of(doc), raw)
			}
		}
	})
}

// body is a chat request of about size bytes with its model last, the worst
// case for a scanner that stops early.
func body(size int) []byte {
	text := strings.Repeat(`The quick brown fox said: \"jump over the lazy dog\", and it did.\n`, 1+size/66)
	turn := fmt.Sprintf(`{"role":"user","content":"%s"}`, text[:max(0, size-260)/66*66])
	return []byte(`{"messages":[{"role":"system","content":"You are a helpful assistant."},` + turn +
		`],"temperature":0.7,"top_p":1,"max_tokens":256,"stop":["\n\n"],"user":"u-1","stream":true,"model":"gpt-4o-mini"}`)
}

func BenchmarkScan(b *testing.B) {
	for _, size := range []int{900, 256 << 10} {
		doc := body(size)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			out := make([]rawjson.Field, wanted.Len())
			for b.Loop() {
				if err := wanted.Scan(doc, 0, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongStrings: what is special is found wherever it stands in a string that
// is looked at by pieces, and what is not closed has an end.
func TestLongStrings(t *testing.T) {
	t.Parallel()
	text := []byte(`"` + strings.Repeat("a word, ein Wört, ", 200) + `"`)
	if !rawjson.Valid(text) || rawjson.Valid(text[:len(text)-1]) {
		t.Fatal("a long string")
	}
	for at := 1; at < len(text)-1; at++ {
		for n := range 2 {
			with := func(special string) []byte {
				return append(append(bytes.Clone(text[:at]), special...), text[at+n:]...)
			}
			for special, ok := range map[string]bool{"\n": false, "\x00": false, "\"": false, `\n`: true, `\"`: true, `\x`: false, "\x7f": true} {
				if rawjson.Valid(with(special)) != ok {
					t.Fatalf("%q at %d", special, at)
				}
			}
		}
		if rawjson.Valid(text[:at]) {
			t.Fatalf("cut at %d", at)
		}
	}
}

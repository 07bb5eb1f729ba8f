package rawjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

func set(key, value string) rawjson.Edit {
	return rawjson.Edit{Op: rawjson.Set, Key: key, Value: []byte(value)}
}

func setDefault(key, value string) rawjson.Edit {
	return rawjson.Edit{Op: rawjson.Default, Key: key, Value: []byte(value)}
}

func rename(key, to string) rawjson.Edit {
	return rawjson.Edit{Op: rawjson.Rename, Key: key, To: to}
}

func remove(key string) rawjson.Edit { return rawjson.Edit{Op: rawjson.Delete, Key: key} }

func TestSplice(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		doc   string
		edits []rawjson.Edit
		want  string
	}{
		{name: "no edit", doc: ` {"a": 1 } `, want: ` {"a": 1 } `},
		{name: "set replaces in place", doc: `{"a": 1 , "b":2}`, edits: []rawjson.Edit{set("a", `"x"`)}, want: `{"a": "x" , "b":2}`},
		{name: "set an escaped key", doc: `{"\u0061":1}`, edits: []rawjson.Edit{set("a", "2")}, want: `{"\u0061":2}`},
		{name: "set appends", doc: "{\"a\":1\n}", edits: []rawjson.Edit{set("b", "2")}, want: "{\"a\":1,\"b\":2\n}"},
		{name: "set in an empty object", doc: `{ }`, edits: []rawjson.Edit{set("b", "2"), set("c", "3")}, want: `{"b":2,"c":3 }`},
		{name: "default leaves", doc: `{"a":1}`, edits: []rawjson.Edit{setDefault("a", "2")}, want: `{"a":1}`},
		{name: "default leaves null", doc: `{"a":null}`, edits: []rawjson.Edit{setDefault("a", "2")}, want: `{"a":null}`},
		{name: "default adds", doc: `{"a":1}`, edits: []rawjson.Edit{setDefault("b", "2")}, want: `{"a":1,"b":2}`},
		{name: "rename", doc: `{"a" : 1,"c":3}`, edits: []rawjson.Edit{rename("a", "b")}, want: `{"b" : 1,"c":3}`},
		{name: "rename of nothing", doc: `{"c":3}`, edits: []rawjson.Edit{rename("a", "b")}, want: `{"c":3}`},
		{name: "rename to itself", doc: `{"a":3}`, edits: []rawjson.Edit{rename("a", "a")}, want: `{"a":3}`},
		{name: "rename where the new name is there", doc: `{"a":1,"b":2}`, edits: []rawjson.Edit{rename("a", "b")}, want: `{"b":2}`},
		{name: "rename, then set", doc: `{"a":1}`, edits: []rawjson.Edit{rename("a", "b"), set("b", "2")}, want: `{"b":2}`},
		{name: "rename, then set the old name", doc: `{"a":1}`, edits: []rawjson.Edit{rename("a", "b"), set("a", "2")}, want: `{"b":1,"a":2}`},
		{name: "delete the first", doc: `{ "a":1 , "b":2}`, edits: []rawjson.Edit{remove("a")}, want: `{ "b":2}`},
		{name: "delete the last", doc: `{"a":1 , "b":2 }`, edits: []rawjson.Edit{remove("b")}, want: `{"a":1 }`},
		{name: "delete the middle", doc: `{"a":1,"b":2,"c":3}`, edits: []rawjson.Edit{remove("b")}, want: `{"a":1,"c":3}`},
		{name: "delete the only one", doc: `{ "a":1 }`, edits: []rawjson.Edit{remove("a")}, want: `{  }`},
		{name: "delete the first two", doc: `{"a":1,"b":2,"c":3}`, edits: []rawjson.Edit{remove("b"), remove("a")}, want: `{"c":3}`},
		{name: "delete the last two", doc: `{"a":1,"b":2,"c":3}`, edits: []rawjson.Edit{remove("b"), remove("c")}, want: `{"a":1}`},
		{name: "delete all", doc: `{"a":1,"b":2,"c":3}`, edits: []rawjson.Edit{remove("b"), remove("c"), remove("a")}, want: `{}`},
		{name: "delete first and last", doc: `{"a":1,"b":2,"c":3}`, edits: []rawjson.Edit{remove("a"), remove("c")}, want: `{"b":2}`},
		{name: "delete all, then set", doc: `{"a":1,"b":2}`, edits: []rawjson.Edit{remove("a"), remove("b"), set("a", "3")}, want: `{"a":3}`},
		{name: "delete the last, then set", doc: `{"a":1,"b":2 }`, edits: []rawjson.Edit{remove("b"), set("c", "3")}, want: `{"a":1,"c":3 }`},
		{name: "delete what was set", doc: `{"a":1}`, edits: []rawjson.Edit{set("b", "2"), remove("b")}, want: `{"a":1}`},
		{name: "nested keys are left alone", doc: `{"x":{"a":1},"a":2}`, edits: []rawjson.Edit{remove("a")}, want: `{"x":{"a":1}}`},
		{name: "a key with quotes", doc: `{"a":1}`, edits: []rawjson.Edit{set(`b"`, "2")}, want: `{"a":1,"b\"":2}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := rawjson.Splice([]byte("~"), []byte(tc.doc), tc.edits)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != "~"+tc.want {
				t.Errorf("got  %s\nwant ~%s", got, tc.want)
			}
		})
	}
}

func TestSpliceRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, doc string
		edit      rawjson.Edit
	}{
		{name: "array", doc: `[]`, edit: remove("a")},
		{name: "cut off", doc: `{"a":1,"b":[1`, edit: remove("a")},
		{name: "cut off in a key", doc: `{"a":1,"b`, edit: remove("a")},
		{name: "no key", doc: `{"a":1,2}`, edit: remove("a")},
		{name: "unknown edit", doc: `{"a":1}`, edit: rawjson.Edit{Op: 9, Key: "a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, err := rawjson.Splice(nil, []byte(tc.doc), []rawjson.Edit{tc.edit}); err == nil {
				t.Errorf("got %s, want an error", got)
			}
		})
	}
}

// FuzzSplice compares splicing with decode, edit, encode. The script's bytes
// choose edits over a handful of keys, some of which the seeds contain.
func FuzzSplice(f *testing.F) {
	for _, s := range append(seeds, `{"a":1,"b":2,"c":3}`, `{ "c" : [1] , "a" : {"b":2} }`) {
		f.Add([]byte(s), []byte{0, 1, 2, 3, 4, 5})
		f.Add([]byte(s), []byte{3, 7, 11, 2, 6, 10, 0, 1})
	}
	names := []string{"a", "b", "c", "model", "größe"}
	f.Fuzz(func(t *testing.T, doc, script []byte) {
		out := make([]rawjson.Field, wanted.Len())
		if wanted.Scan(doc, 0, out) != nil {
			return
		}
		model, _, err := topLevel(doc)
		if err != nil {
			t.Fatal(err)
		}
		var edits []rawjson.Edit
		for i, c := range script[:min(len(script), 24)] {
			e := rawjson.Edit{Op: rawjson.Op(c % 4), Key: names[int(c/4)%len(names)], To: names[int(c/20)%len(names)]}
			e.Value = fmt.Appendf(nil, `["new %d"]`, i)
			edits = append(edits, e)
			value, ok := model[e.Key]
			switch e.Op {
			case rawjson.Set:
				model[e.Key] = e.Value
			case rawjson.Default:
				if !ok {
					model[e.Key] = e.Value
				}
			case rawjson.Delete:
				delete(model, e.Key)
			case rawjson.Rename:
				if _, there := model[e.To]; ok && e.To != e.Key {
					delete(model, e.Key)
					if !there {
						model[e.To] = value
					}
				}
			}
		}
		spliced, err := rawjson.Splice(nil, doc, edits)
		if err != nil {
			t.Fatal(err)
		}
		got, repeated, err := topLevel(spliced)
		if err != nil || repeated && !caseClash(model) || !json.Valid(spliced) {
			t.Fatalf("%q with %v gives %q: repeated %v, %v", doc, edits, spliced, repeated, err)
		}
		if !reflect.DeepEqual(got, model) {
			t.Fatalf("%q with %v\ngives %q\nwant  %q", doc, edits, got, model)
		}
	})
}

// caseClash tells whether the edits themselves brought in a key that differs
// from another in case only.
func caseClash(model map[string]json.RawMessage) bool {
	folded := map[string]bool{}
	for k := range model {
		folded[strings.Map(smallestFold, k)] = true
	}
	return len(folded) < len(model)
}

func BenchmarkSplice(b *testing.B) {
	edits := []rawjson.Edit{set("model", `"llama-3.3-70b"`), remove("fallbacks")}
	for _, size := range []int{900, 256 << 10} {
		doc := body(size)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			dst := make([]byte, 0, len(doc)+64)
			for b.Loop() {
				var err error
				if dst, err = rawjson.Splice(dst[:0], doc, edits); err != nil {
					b.Fatal(err)
				}
			}
			if !bytes.HasSuffix(dst, []byte(`"model":"llama-3.3-70b"}`)) {
				b.Fatalf("%s", dst)
			}
		})
	}
}

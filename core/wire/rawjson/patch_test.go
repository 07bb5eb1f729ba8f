package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPatch(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	for _, tc := range []struct {
		name, doc, patch, want string
		fails                  string
	}{
		// The examples of RFC 6902, appendix A.
		{name: "A.1", doc: `{ "foo": "bar"}`, patch: `[{"op":"add","path":"/baz","value":"qux"}]`, want: `{ "foo": "bar","baz":"qux"}`},
		{name: "A.2", doc: `{"foo": [ "bar", "baz" ]}`, patch: `[{"op":"add","path":"/foo/1","value":"qux"}]`, want: `{"foo": [ "bar", "qux","baz" ]}`},
		{name: "A.3", doc: `{"baz": "qux", "foo": "bar"}`, patch: `[{"op":"remove","path":"/baz"}]`, want: `{"foo": "bar"}`},
		{name: "A.4", doc: `{"foo": [ "bar", "qux", "baz" ]}`, patch: `[{"op":"remove","path":"/foo/1"}]`, want: `{"foo": [ "bar", "baz" ]}`},
		{name: "A.5", doc: `{"baz": "qux", "foo": "bar"}`, patch: `[{"op":"replace","path":"/baz","value":"boo"}]`, want: `{"baz": "boo", "foo": "bar"}`},
		{
			name: "A.6", doc: `{"foo": {"bar": "baz","waldo": "fred"},"qux": {"corge": "grault"}}`,
			patch: `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
			want:  `{"foo": {"bar": "baz"},"qux": {"corge": "grault","thud":"fred"}}`,
		},
		{
			name: "A.7", doc: `{"foo": [ "all", "grass", "cows", "eat" ]}`, patch: `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`,
			want: `{"foo": [ "all", "cows", "eat","grass" ]}`,
		},
		{
			name: "A.8", doc: `{"baz": "qux","foo": [ "a", 2, "c" ]}`,
			patch: `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, want: `{"baz": "qux","foo": [ "a", 2, "c" ]}`,
		},
		{name: "A.9", doc: `{"baz": "qux"}`, patch: `[{"op":"test","path":"/baz","value":"bar"}]`, fails: `operation 0: test: the value at "/baz" is another`},
		{name: "A.10", doc: `{"foo": "bar"}`, patch: `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, want: `{"foo": "bar","child":{"grandchild":{}}}`},
		{name: "A.11", doc: `{"foo": "bar"}`, patch: `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, want: `{"foo": "bar","baz":"qux"}`},
		{name: "A.12", doc: `{"foo": "bar"}`, patch: `[{"op":"add","path":"/baz/bat","value":"qux"}]`, fails: `there is no "baz"`},
		{name: "A.14", doc: `{"/": 9,"~1": 10}`, patch: `[{"op":"test","path":"/~01","value":10}]`, want: `{"/": 9,"~1": 10}`},
		{name: "A.15", doc: `{"/": 9,"~1": 10}`, patch: `[{"op":"test","path":"/~01","value":"10"}]`, fails: "is another"},
		{name: "A.16", doc: `{"foo": ["bar"]}`, patch: `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, want: `{"foo": ["bar",["abc","def"]]}`},

		{name: "nothing", doc: ` {"a" : 1} `, patch: `[]`, want: ` {"a" : 1} `},
		{name: "into nothing", doc: `{ }`, patch: `[{"op":"add","path":"/a","value":1}]`, want: `{"a":1 }`},
		{name: "into an empty array", doc: `{"a":[ ]}`, patch: `[{"op":"add","path":"/a/0","value":1}]`, want: `{"a":[1 ]}`},
		{name: "the only one goes", doc: `{ "a" : 1 }`, patch: `[{"op":"remove","path":"/a"}]`, want: `{  }`},
		{name: "the last goes", doc: `{"a":1 , "b":2 }`, patch: `[{"op":"remove","path":"/b"}]`, want: `{"a":1 }`},
		{name: "all", doc: `{"a":1}`, patch: `[{"op":"replace","path":"","value":{"b":2}}]`, want: `{"b":2}`},
		{name: "add over what is there", doc: `{"a":1,"b":2}`, patch: `[{"op":"add","path":"/a","value":null}]`, want: `{"a":null,"b":2}`},
		{name: "copy", doc: `{"a":{"b":[1]}}`, patch: `[{"op":"copy","from":"/a","path":"/a/b/0"}]`, want: `{"a":{"b":[{"b":[1]},1]}}`},
		{name: "move to itself", doc: `{"a":1}`, patch: `[{"op":"move","from":"/a","path":"/a"}]`, want: `{"a":1}`},
		{name: "an escaped key", doc: `{"\u0061/~":{"":1}}`, patch: `[{"op":"replace","path":"/a~1~0/","value":2}]`, want: `{"\u0061/~":{"":2}}`},
		{name: "test by meaning", doc: `{"a":{"x":1.0e1,"y":["\u00e4"]}}`, patch: `[{"op":"test","path":"/a","value":{"y":["ä"],"x":10}}]`, want: `{"a":{"x":1.0e1,"y":["\u00e4"]}}`},
		{name: "test by digits", doc: `{"a":9007199254740993}`, patch: `[{"op":"test","path":"/a","value":9007199254740992}]`, fails: "is another"},
		{
			name: "many at once", doc: `{"m":[{"c":"a"} , {"c":"b","d":0},{"c":"c"}]}`,
			patch: `[{"op":"replace","path":"/m/2/c","value":"C"},{"op":"replace","path":"/m/0/c","value":"A"},{"op":"replace","path":"/m/1","value":1}]`,
			want:  `{"m":[{"c":"A"} , 1,{"c":"C"}]}`,
		},
		{
			name: "one inside another", doc: `{"a":{"b":1}}`,
			patch: `[{"op":"replace","path":"/a/b","value":2},{"op":"replace","path":"/a","value":{"b":3,"c":4}},{"op":"replace","path":"/a/c","value":5}]`,
			want:  `{"a":{"b":3,"c":5}}`,
		},
		{
			name: "the same twice", doc: `{"a":1}`, patch: `[{"op":"replace","path":"/a","value":2},{"op":"replace","path":"/a","value":3}]`,
			want: `{"a":3}`,
		},
		{
			name: "one of many is not there", doc: `{"a":1,"b":2}`,
			patch: `[{"op":"replace","path":"/a","value":2},{"op":"replace","path":"/c","value":3},{"op":"replace","path":"/b","value":3}]`,
			fails: `operation 1: there is no "c"`,
		},
		{name: "of a key that is there twice the last counts", doc: `{"m":{"a":1,"a":2}}`, patch: `[{"op":"replace","path":"/m/a","value":3}]`, want: `{"m":{"a":1,"a":3}}`},

		{name: "no patch", doc: `{}`, patch: `{}`, fails: "no array of operations"},
		{name: "unknown op", doc: `{}`, patch: `[{"op":"fold","path":"/a"}]`, fails: `unknown op "fold"`},
		{name: "no path", doc: `{}`, patch: `[{"op":"remove"}]`, fails: "remove has no path"},
		{name: "no value", doc: `{}`, patch: `[{"op":"add","path":"/a"}]`, fails: "add has no value"},
		{name: "no from", doc: `{}`, patch: `[{"op":"move","path":"/a"}]`, fails: "move has no from"},
		{name: "no slash", doc: `{}`, patch: `[{"op":"remove","path":"a"}]`, fails: "does not begin with a slash"},
		{name: "a tilde", doc: `{}`, patch: `[{"op":"remove","path":"/~2"}]`, fails: "neither ~0 nor ~1"},
		{name: "index with a zero", doc: `{"a":[1,2]}`, patch: `[{"op":"remove","path":"/a/01"}]`, fails: "no index"},
		{name: "index behind the end", doc: `{"a":[1]}`, patch: `[{"op":"add","path":"/a/2","value":1}]`, fails: "behind the end of an array of 1"},
		{name: "remove behind the last", doc: `{"a":[1]}`, patch: `[{"op":"remove","path":"/a/-"}]`, fails: `there is no "-"`},
		{name: "inside a string", doc: `{"a":"x"}`, patch: `[{"op":"add","path":"/a/b","value":1}]`, fails: "inside a value that holds none"},
		{name: "all removed", doc: `{"a":1}`, patch: `[{"op":"remove","path":""}]`, fails: "can't be removed"},
		{name: "into itself", doc: `{"a":{"b":1}}`, patch: `[{"op":"move","from":"/a","path":"/a/b"}]`, fails: "can't move into itself"},
		{name: "too deep", doc: `{}`, patch: `[{"op":"add","path":"/a","value":` + deep + `}]`, fails: "too deeply"},
		{name: "a bomb", doc: `{"a":[0]}`, patch: `[` + strings.Repeat(`{"op":"copy","from":"/a","path":"/a/0"},`, 40) + `{"op":"test","path":"","value":1}]`, fails: "longer than 1000 bytes"},
		{name: "too many", doc: `{"a":1}`, patch: `[` + strings.Repeat(`{"op":"test","path":"/a","value":1},`, maxOps) + `{"op":"test","path":"","value":1}]`, fails: "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := tc.doc
			got, err := Patch([]byte("<"), []byte(tc.doc), []byte(tc.patch), 1000)
			switch {
			case tc.fails != "":
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("got %s, %v", got, err)
				}
			case err != nil || string(got) != "<"+tc.want:
				t.Errorf("got  %s, %v\nwant <%s", got, err, tc.want)
			}
			if tc.doc != before {
				t.Error("the document itself was changed")
			}
		})
	}
}

// A conversation with a thousand names to be masked is gone over once.
func BenchmarkPatchManyMessages(b *testing.B) {
	var doc, patch bytes.Buffer
	doc.WriteString(`{"model":"m","messages":[`)
	patch.WriteString(`[`)
	for i := range 1000 {
		if i > 0 {
			doc.WriteByte(',')
			patch.WriteByte(',')
		}
		fmt.Fprintf(&doc, `{"role":"user","content":%q}`, strings.Repeat("some words ", 90))
		fmt.Fprintf(&patch, `{"op":"replace","path":"/messages/%d/content","value":"***"}`, i)
	}
	doc.WriteString(`]}`)
	patch.WriteString(`]`)
	b.SetBytes(int64(doc.Len()))
	for b.Loop() {
		if _, err := Patch(nil, doc.Bytes(), patch.Bytes(), 1<<30); err != nil {
			b.Fatal(err)
		}
	}
}

// Whatever the patch: the result of a well-formed document is well formed, and
// that which one operation after the other gives.
func FuzzPatch(f *testing.F) {
	f.Add(`{"foo":[1,{"a":"b"}]}`, `[{"op":"add","path":"/foo/1","value":"qux"},{"op":"remove","path":"/foo/0"}]`)
	f.Add(`{"a":{"b":1},"c":[]}`, `[{"op":"move","from":"/a/b","path":"/c/-"},{"op":"copy","from":"/c","path":"/a/x"}]`)
	f.Add(`{"a":1,"b":2}`, `[{"op":"replace","path":"/b","value":2},{"op":"replace","path":"/a","value":[]}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		if err := NewKeys().Scan([]byte(doc), 0, nil); err != nil {
			return
		}
		got, err := Patch(nil, []byte(doc), []byte(patch), 1<<20)
		var ops []json.RawMessage
		if json.Unmarshal([]byte(patch), &ops) != nil {
			if err == nil {
				t.Fatalf("took %s", patch)
			}
			return
		}
		one := []byte(doc)
		var oneErr error
		for _, op := range ops {
			if one, oneErr = Patch(nil, one, []byte("["+string(op)+"]"), 1<<20); oneErr != nil {
				break
			}
		}
		if len(ops) <= maxOps && (err == nil) != (oneErr == nil) {
			// A mistake in a later operation is found before the first is made.
			if err != nil {
				t.Fatalf("all at once: %v, one by one it goes", err)
			}
			t.Fatalf("one by one: %v, all at once it goes", oneErr)
		}
		if err != nil {
			return
		}
		if !json.Valid(got) || !bytes.Equal(got, one) {
			t.Fatalf("%s with %s is\n%s, one by one\n%s", doc, patch, got, one)
		}
	})
}

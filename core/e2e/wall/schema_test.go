package wall

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestInstance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, schema, want string }{
		{name: "nothing", schema: ``, want: `{}`},
		{name: "not JSON", schema: `{`, want: `{}`},
		{name: "no type", schema: `{"description":"any"}`, want: `{}`},
		{name: "order", schema: `{"type":"object","required":["z","a"],"properties":{"b":{"type":"null"},"a":{"type":"boolean"},"z":{"type":"number","minimum":2.5}}}`, want: `{"z":2.5,"a":true,"b":null}`},
		{name: "enum and const", schema: `{"type":"array","minItems":2,"items":{"anyOf":[{"type":"null"},{"enum":["x","y"]}]}}`, want: `["x","x"]`},
		{name: "const", schema: `{"properties":{"kind":{"const":{"a":1}}}}`, want: `{"kind":{"a":1}}`},
		{name: "nullable", schema: `{"type":["null","integer"]}`, want: `1`},
		{name: "definition", schema: `{"$ref":"#/$defs/day","$defs":{"day":{"type":"string","format":"date"}}}`, want: `"2026-01-02"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := instance(json.RawMessage(test.schema)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzInstance(f *testing.F) {
	f.Add(`{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"all":{"type":"array","items":{"$ref":"#"}}}}`)
	f.Add(`{"$ref":"#"}`)
	f.Add(`{"anyOf":[null]}`)
	f.Add(`{"type":"array","minItems":1000000000,"items":{"const":1}}`)
	f.Fuzz(func(t *testing.T, schema string) {
		if got := instance(json.RawMessage(schema)); !json.Valid([]byte(got)) {
			t.Errorf("%s gives %s", schema, got)
		}
	})
}

func FuzzPieces(f *testing.F) {
	f.Add("You said: héllo  wall ")
	f.Add("000000é")
	f.Fuzz(func(t *testing.T, text string) {
		if got := strings.Join(words(text), ""); got != text {
			t.Errorf("words of %q make %q", text, got)
		}
		if text = strings.ToValidUTF8(text, ""); strings.Join(cut(text), "") != text {
			t.Errorf("pieces of %q make %q", text, cut(text))
		}
		var back string
		if err := json.Unmarshal(appendJSON(nil, text), &back); err != nil || back != text {
			t.Errorf("%q became %q: %v", text, back, err)
		}
	})
}

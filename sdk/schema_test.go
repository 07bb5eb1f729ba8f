package sdk

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type everything struct {
	String   string            `config:"string,required" doc:"a text"`
	Bool     bool              `config:"bool"`
	Int      int               `config:"int" min:"-5"`
	Small    int8              `config:"small"`
	Unsigned uint16            `config:"unsigned"`
	Float    float64           `config:"float" min:"0.5" max:"2"`
	Wait     time.Duration     `config:"wait" max:"1m"`
	Room     Size              `config:"room" min:"1024"`
	List     []string          `config:"list"`
	Map      map[string]string `config:"map"`
	Blocks   []block           `config:"block,required"`
	ignored  int
}

type block struct {
	Name  string `config:"name,required"`
	Inner []struct {
		On bool `config:"on"`
	} `config:"inner"`
}

func newEverything() *everything {
	return &everything{Int: 3, Float: 1, Room: 2048, List: []string{"default"}, Map: map[string]string{"a": "b"}, ignored: 9}
}

func TestSchemaFindsTheAuthorsMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		config any
		want   string
	}{
		{name: "no pointer", config: block{}, want: "config: sdk.block is no pointer to a struct"},
		{name: "nil pointer", config: (*block)(nil), want: "config: *sdk.block is no pointer to a struct"},
		{name: "unexported", config: &struct {
			rate float64 `config:"rate"`
		}{}, want: ".rate: a config field must be exported"},
		{name: "name", config: &struct {
			Rate float64 `config:"Rate"`
		}{}, want: `.Rate: the name "Rate" is not of lower-case letters, digits and _`},
		{name: "option", config: &struct {
			Rate float64 `config:"rate,optional"`
		}{}, want: `.Rate: unknown option "optional"; there are required and label`},
		{name: "twice", config: &struct {
			A int `config:"n"`
			B int `config:"n"`
		}{}, want: `.B: a second field "n"`},
		{name: "type", config: &struct {
			C chan int `config:"c"`
		}{}, want: ".C: a config block cannot hold a chan int"},
		{name: "slice", config: &struct {
			N []int `config:"n"`
		}{}, want: ".N: a config block cannot hold a []int"},
		{name: "block without tags", config: &struct {
			B []struct{ X int } `config:"b"`
		}{}, want: "has no config tags"},
		{name: "block with a mistake", config: &struct {
			B []struct {
				X chan int `config:"x"`
			} `config:"b"`
		}{}, want: ".X: a config block cannot hold a chan int"},
		{name: "block with a default", config: &struct {
			B []block `config:"b"`
		}{B: []block{{}}}, want: ".B: a nested block has no default"},
		{name: "label of the block itself", config: &struct {
			S int `config:"s,label"`
		}{}, want: ".S: a label is a string"},
		{name: "bound of a string", config: &struct {
			S string `config:"s" min:"1"`
		}{}, want: `.S: min:"1": a string has no bounds`},
		{name: "bound of another type", config: &struct {
			D time.Duration `config:"d" max:"1"`
		}{}, want: `.D: max:"1": time: missing unit`},
		{name: "bound that is no number", config: &struct {
			F float64 `config:"f" max:"NaN"`
		}{}, want: `.F: max:"NaN": is no number`},
		{name: "bounds crossed", config: &struct {
			N int `config:"n" min:"2" max:"1"`
		}{}, want: ".N: min is more than max"},
		{name: "default out of bounds", config: &struct {
			N int `config:"n" min:"2"`
		}{N: 1}, want: ".N: the default is 1 and must be at least 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fields, err := SchemaOf(tc.config)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want %s", fields, err, tc.want)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	const must = `"string": "s", "block": [{"name": "n"}]`
	with := func(change func(*everything)) *everything {
		e := newEverything()
		e.String, e.Blocks = "s", []block{{Name: "n"}}
		change(e)
		return e
	}
	for _, tc := range []struct {
		name string
		json string
		want *everything // nil: errs
		errs []ConfigError
	}{
		{name: "defaults", json: `{` + must + `}`, want: with(func(*everything) {})},
		{name: "null is unset", json: `{` + must + `, "int": null, "list": null}`, want: with(func(*everything) {})},
		{name: "everything", json: `{"string": "é", "bool": true, "int": -5, "small": -128, "unsigned": 65535, "float": 2, "wait": "1m",
			"room": 1024, "list": ["x"], "map": {"k": "v"}, "block": [{"name": "a"}, {"name": "b", "inner": [{"on": true}, {}]}]}`,
			want: &everything{
				String: "é", Bool: true, Int: -5, Small: -128, Unsigned: 65535, Float: 2, Wait: time.Minute, Room: 1024,
				List: []string{"x"}, Map: map[string]string{"k": "v"}, ignored: 9,
				Blocks: []block{{Name: "a"}, {Name: "b", Inner: []struct {
					On bool `config:"on"`
				}{{On: true}, {}}}},
			}},
		{name: "whole floats", json: `{` + must + `, "int": 7.0, "unsigned": 1e3}`, want: with(func(e *everything) { e.Int, e.Unsigned = 7, 1000 })},
		{name: "empty list for a default", json: `{` + must + `, "list": [], "map": {}}`,
			want: with(func(e *everything) { e.List, e.Map = []string{}, map[string]string{} })},
		{name: "required", json: ``, errs: []ConfigError{{"string", "is required"}, {"block", "is required"}}},
		{name: "required block", json: `{"string": "s", "block": []}`, errs: []ConfigError{{"block", "is required"}}},
		{name: "no object", json: `[1]`, errs: []ConfigError{{"", "is no block of attributes"}}},
		{name: "no JSON", json: `{`, errs: []ConfigError{{"", "is no block of attributes"}}},
		{name: "block that is no object", json: `{"string": "s", "block": [7]}`, errs: []ConfigError{{"block.0", "is no block of attributes"}}},
		{name: "blocks that are no list", json: `{"string": "s", "block": {}}`, errs: []ConfigError{{"block", "is no list of blocks"}}},
		{name: "deep", json: `{"string": "s", "block": [{"name": "n", "inner": [{}, {"on": 1}]}]}`,
			errs: []ConfigError{{"block.0.inner.1.on", "is no true or false"}}},
		{name: "fraction", json: `{` + must + `, "int": 1.5}`, errs: []ConfigError{{"int", "1.5 is no whole number"}}},
		{name: "quoted number", json: `{` + must + `, "int": "1", "float": "1"}`,
			errs: []ConfigError{{"int", "is no whole number"}, {"float", "is no number"}}},
		{name: "overflow", json: `{` + must + `, "int": 1e30, "small": 128, "unsigned": 65536}`,
			errs: []ConfigError{{"int", "1e30 is too large"}, {"small", "128 is too large"}, {"unsigned", "65536 is too large"}}},
		{name: "negative unsigned", json: `{` + must + `, "unsigned": -1}`, errs: []ConfigError{{"unsigned", "-1 is no whole number from 0 on"}}},
		{name: "bounds", json: `{` + must + `, "int": -6, "float": 0.25, "wait": "61s", "room": 1023}`, errs: []ConfigError{
			{"int", "is -6 and must be at least -5"}, {"float", "is 0.25 and must be from 0.5 to 2"},
			{"wait", "is 1m1s and must be at most 1m0s"}, {"room", "is 1023B and must be at least 1KiB"},
		}},
		{name: "null inside", json: `{` + must + `, "list": [null], "map": {"k": null}}`,
			errs: []ConfigError{{"list", "has an element that is null"}, {"map", "has an element that is null"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := newEverything()
			s, err := newSchema(got)
			if err != nil {
				t.Fatal(err)
			}
			errs := s.decode([]byte(tc.json))
			if !reflect.DeepEqual(errs, tc.errs) {
				t.Fatalf("got %q, want %q", errs, tc.errs)
			}
			if tc.want != nil && !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestDefaultsSurviveWhatIsDoneToTheFields(t *testing.T) {
	t.Parallel()
	config := newEverything()
	s, err := newSchema(config)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if errs := s.decode([]byte(`{"string": "s", "block": [{"name": "n"}]}`)); len(errs) > 0 {
			t.Fatal(errs)
		}
		if config.List[0] != "default" || len(config.Map) != 1 {
			t.Fatalf("got %+v", config)
		}
		config.List[0], config.Map["c"] = "changed", "d"
	}
}

func TestNoConfig(t *testing.T) {
	t.Parallel()
	s, err := newSchema(nil)
	if err != nil {
		t.Fatal(err)
	}
	if errs := s.decode([]byte(`{}`)); errs != nil {
		t.Errorf("got %v", errs)
	}
	want := []ConfigError{{"a", "is unknown; this plugin has no config"}}
	if errs := s.decode([]byte(`{"a": 1}`)); !reflect.DeepEqual(errs, want) {
		t.Errorf("got %v", errs)
	}
}

// What is decoded without an error is within its bounds, and comes back the same
// from its own JSON.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"string":"s","block":[{"name":"n"}]}`, `{"int":-0,"float":1e-3,"wait":"1h","room":5e3,"list":["a",null]}`,
		`{"string":"s","block":[{"name":"n","inner":[{"on":true}]}],"map":{"":""},"small":-128,"unsigned":65535.0}`, `[`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first := newEverything()
		s, err := newSchema(first)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.decode(text)) > 0 {
			return
		}
		if first.Float < 0.5 || first.Float > 2 || first.Int < -5 || first.Wait > time.Minute || first.Room < 1024 {
			t.Fatalf("out of bounds: %+v", first)
		}
		again, err := json.Marshal(map[string]any{
			"string": first.String, "bool": first.Bool, "int": first.Int, "small": first.Small, "unsigned": first.Unsigned,
			"float": first.Float, "wait": first.Wait.String(), "room": first.Room, "list": first.List, "map": first.Map,
			"block": blocksJSON(first.Blocks),
		})
		if err != nil {
			t.Fatal(err)
		}
		second := newEverything()
		if s, err = newSchema(second); err != nil {
			t.Fatal(err)
		}
		if errs := s.decode(again); len(errs) > 0 {
			t.Fatalf("%s: %v", again, errs)
		}
		if a, b := asJSON(t, first), asJSON(t, second); a != b {
			t.Fatalf("got %s, then %s", a, b)
		}
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func blocksJSON(blocks []block) []any {
	list := make([]any, len(blocks))
	for i, b := range blocks {
		attrs := map[string]any{"name": b.Name}
		if b.Inner != nil {
			inner := make([]any, len(b.Inner))
			for j, in := range b.Inner {
				inner[j] = map[string]any{"on": in.On}
			}
			attrs["inner"] = inner
		}
		list[i] = attrs
	}
	return list
}

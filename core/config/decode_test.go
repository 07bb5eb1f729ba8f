package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// schema has a field of every type.
var schema = []sdk.Field{
	{Name: "strategy", Type: sdk.FieldString},
	{Name: "eager", Type: sdk.FieldBool},
	{Name: "tries", Type: sdk.FieldInt},
	{Name: "max_error_rate", Type: sdk.FieldFloat},
	{Name: "window", Type: sdk.FieldDuration},
	{Name: "memory", Type: sdk.FieldSize},
	{Name: "order", Type: sdk.FieldList},
	{Name: "weights", Type: sdk.FieldMap},
	{Name: "rule", Type: sdk.FieldBlock, Fields: []sdk.Field{
		{Name: "match", Type: sdk.FieldString, Required: true},
		{Name: "limit", Type: sdk.FieldBlock, Fields: []sdk.Field{{Name: "rpm", Type: sdk.FieldInt}}},
	}},
	{Name: "deny", Type: sdk.FieldBlock, Fields: []sdk.Field{
		{Name: "name", Type: sdk.FieldLabel, Required: true}, {Name: "pattern", Type: sdk.FieldString, Required: true},
	}},
}

// pluginWith is a plugin whose config block has these lines, from line 9 on.
func pluginWith(t *testing.T, lines string) *Plugin {
	t.Helper()
	c, err := Parse("router.hcl", []byte(`channel "demo" { provider = provider.demo }

pipeline "default" {
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}
plugin "selector" "mine" {
  use = plugin.selector.smart
  config {
`+lines+`
  }
}`), WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Plugins {
		if p.Address() == "plugin.selector.mine" {
			return p
		}
	}
	t.Fatal("plugin.selector.mine is not in use")
	return nil
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, lines, want string }{
		{name: "empty", want: `{}`},
		{
			name: "labels", lines: "deny \"a\" { pattern = \"x\" }\ndeny \"b\" { pattern = \"y\" }",
			want: `{"deny":[{"name":"a","pattern":"x"},{"name":"b","pattern":"y"}]}`,
		},
		{
			name: "every type",
			lines: `strategy = "${env("TEST_HOST")}"
eager = true
tries = 3
max_error_rate = 0.2
window = "1h30m"
memory = "8MiB"
order = ["b", "a", "b"]
weights = { cost = 0.5, "speed" = "1" }
rule { match = "x" }
rule {
  match = "y"
  limit { rpm = 10 }
}`,
			want: `{"eager":true,"max_error_rate":0.2,"memory":8388608,"order":["b","a","b"],` +
				`"rule":[{"match":"x"},{"limit":[{"rpm":10}],"match":"y"}],"strategy":"llm.example.com",` +
				`"tries":3,"weights":{"cost":"0.5","speed":"1"},"window":"1h30m0s"}`,
		},
		{name: "empty list and map", lines: "order = []\nweights = {}", want: `{"order":[],"weights":{}}`},
		{name: "false and zero", lines: "eager = false\ntries = 0", want: `{"eager":false,"tries":0}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := pluginWith(t, test.lines).Decode(schema)
			if err != nil || string(got) != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

func TestDecodeMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, lines, want string }{
		{name: "unknown attribute", lines: `max_eror_rate = 1`, want: `router.hcl:10: unknown attribute "max_eror_rate" in a config block; did you mean max_error_rate?`},
		{name: "unknown block", lines: `rules { match = "x" }`, want: `router.hcl:10: unknown block "rules" in a config block; did you mean rule?`},
		{name: "duration", lines: `window = 5`, want: `router.hcl:10: window: a duration needs a unit; write "5s" or "5ms"`},
		{name: "size", lines: `memory = "8M"`, want: `router.hcl:10: memory: "M" is no unit of size; units are B, KB, MB, GB, KiB, MiB and GiB`},
		{name: "string", lines: `strategy = 5`, want: `router.hcl:10: strategy: must be text, and is a number; put it in quotes`},
		{name: "bool", lines: `eager = "yes"`, want: `router.hcl:10: eager: must be true or false, and is text; write it without quotes`},
		{name: "int", lines: `tries = 1.5`, want: `router.hcl:10: tries: must be a whole number that fits into 64 bits`},
		{name: "float", lines: `max_error_rate = "a"`, want: `router.hcl:10: max_error_rate: must be a number, and is text; write it without quotes`},
		{name: "list", lines: `order = "a"`, want: `router.hcl:10: order: must be a list, and is text; write ["...", "..."]`},
		{name: "map", lines: `weights = []`, want: `router.hcl:10: weights: must be an object, and is a list; write { name = "value" }`},
		{name: "required in a block", lines: "rule {\n}", want: `router.hcl:10: rule needs match; add match = "..."`},
		{name: "block as attribute", lines: `rule = {}`, want: `router.hcl:10: unknown attribute "rule" in a config block; it is a block: write rule { ... }`},
		{name: "no label", lines: `deny { pattern = "x" }`, want: `router.hcl:10: a deny block needs a name; write deny "name" { ... }`},
		{name: "label as attribute", lines: "deny \"a\" {\nname = \"x\"\npattern = \"y\"\n}", want: `router.hcl:11: unknown attribute "name" in a deny block; known: pattern`},
		{name: "required in a labelled block", lines: "deny \"a\" {\n}", want: `router.hcl:10: deny "a" needs pattern; add pattern = "..."`},
		{name: "labelled block", lines: `rule "x" { match = "x" }`, want: `router.hcl:10: a rule block needs no name; write rule { ... }`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := pluginWith(t, test.lines).Decode(schema)
			wantFirstLine(t, err, test.want)
		})
	}
}

func TestDecodeWithoutBlock(t *testing.T) {
	t.Parallel()
	p := builtin("selector.smart")
	if got, err := p.Decode(schema); err != nil || string(got) != "{}" {
		t.Errorf("got %s (%v)", got, err)
	}
	_, err := p.Decode([]sdk.Field{{Name: "path", Type: sdk.FieldString, Required: true}, {Name: "rule", Type: sdk.FieldBlock, Required: true}})
	if want := "plugin.selector.smart: config needs a block rule; add rule { ... }\n" +
		`plugin.selector.smart: config needs path; add path = "..."`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDecodeUnknownType(t *testing.T) {
	t.Parallel()
	_, err := pluginWith(t, `strategy = "x"`).Decode([]sdk.Field{{Name: "strategy", Type: "matrix"}})
	wantFirstLine(t, err, `router.hcl:10: strategy: the plugin declares it as "matrix", which this router does not know`)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	lines := `strategy = "best"
order = ["a", "b"]
weights = {
  cost  = 1
  speed = 2
}
rule { match = "x" }
rule {
  match = "y"
  limit { rpm = 10 }
}`
	for _, test := range []struct{ path, line, source string }{
		{path: "", line: "9", source: "config {"},
		{path: "strategy", line: "10", source: `strategy = "best"`},
		{path: "max_error_rate", line: "9", source: "config {"},
		{path: "order.1", line: "11", source: `order = ["a", "b"]`},
		{path: "order.7", line: "11", source: `order = ["a", "b"]`},
		{path: "weights.speed", line: "14", source: "speed = 2"},
		{path: "weights.other", line: "12", source: "weights = {"},
		{path: "rule", line: "16", source: `rule { match = "x" }`},
		{path: "rule.0.match", line: "16", source: `rule { match = "x" }`},
		{path: "rule.1.match", line: "18", source: `match = "y"`},
		{path: "rule.1.limit.0.rpm", line: "19", source: "limit { rpm = 10 }"},
		{path: "rule.1.other", line: "17", source: "rule {"},
		{path: "rule.9.match", line: "9", source: "config {"},
		{path: "rule.-1.match", line: "9", source: "config {"},
	} {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			err := pluginWith(t, lines).Explain([]sdk.ConfigError{{Path: test.path, Message: "is wrong"}})
			what := strings.TrimPrefix(test.path+": is wrong", ": ")
			wantFirstLine(t, err, "router.hcl:"+test.line+": plugin.selector.mine: "+what)
			var ds Diagnostics
			if !errors.As(err, &ds) || len(ds) != 1 || strings.TrimSpace(ds[0].Source) != test.source {
				t.Errorf("got %+v, want source %q", ds, test.source)
			}
		})
	}
	if err := pluginWith(t, lines).Explain(nil); err != nil {
		t.Errorf("nothing to explain: %v", err)
	}
	err := builtin("cache.local").Explain([]sdk.ConfigError{{Path: "path", Message: "is no folder"}})
	wantFirstLine(t, err, "plugin.cache.local: plugin.cache.local: path: is no folder")
}

func wantFirstLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got, _, _ := strings.Cut(err.Error(), "\n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

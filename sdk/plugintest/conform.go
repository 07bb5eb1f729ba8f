package plugintest

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk/conform"
)

// Conform builds the main package in dir and checks it against the contract,
// as `smartrouter plugin test --slack 10` does: each check is a subtest. The config is one
// with which the plugin has to work; see also [Mistake] and [Calls]. Of the
// other options Env and Grants matter: the kit lends an upstream of its own.
func Conform(t *testing.T, dir string, config Config, opts ...Option) {
	t.Helper()
	conforms(t, build(t, dir), config, opts)
}

// ConformCommand is Conform for any executable, in any language.
func ConformCommand(t *testing.T, argv []string, config Config, opts ...Option) {
	t.Helper()
	conforms(t, program{path: argv[0], args: argv}, config, opts)
}

// Mistake is a config that the plugin must refuse, naming the attribute at
// path, such as "rule.1.match". What follows from the schema is tried anyway.
func Mistake(path string, config Config) Option {
	return func(o *options) {
		if o.mistakes == nil {
			o.mistakes = make(map[string]map[string]any)
		}
		o.mistakes[path] = config
	}
}

// Calls are how many Conform makes to find leaks: [conform.Calls] by default,
// a tenth of them with -short.
func Calls(n int) Option {
	return func(o *options) { o.calls = n }
}

// slack is for tests that run beside each other.
const slack = 10

func conforms(t *testing.T, what program, config Config, opts []Option) {
	t.Helper()
	o := newOptions(t, opts)
	if o.calls == 0 && testing.Short() {
		o.calls = conform.Calls / 10
	}
	target := conform.Target{
		Command: what.args, Env: o.env, Config: config, Mistakes: o.mistakes, Grants: o.grants,
	}.Executing(what.path)
	report, err := conform.Run(t.Context(), target, conform.Options{Calls: o.calls, Slack: slack, Tell: func(r conform.Result) {
		t.Run(r.Name(), func(t *testing.T) {
			if r.Outcome == conform.Fail {
				t.Errorf("%s\nremedy: %s", r.Detail, r.Remedy)
				return
			}
			t.Log(r)
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report.Summary())
}

package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// mistake is a config that the plugin has to refuse.
type mistake struct {
	path   string // that its answer has to name
	config []byte
}

// mistakesIn makes one mistake with each attribute: the wrong type, and none
// where it is required; and one attribute that the plugin does not know. The
// router finds these by the schema, before the plugin sees them; a plugin that
// does not find them works with what its author did not think of as soon as
// its schema and its code differ.
func mistakesIn(fields []sdk.Field, good map[string]any) (list []mistake) {
	add := func(path string, change func(map[string]any)) {
		c := maps.Clone(good)
		change(c)
		if b, err := json.Marshal(c); err == nil {
			list = append(list, mistake{path: path, config: b})
		}
	}
	for _, f := range fields {
		var wrong any = []any{1}
		if f.Type == sdk.FieldList {
			wrong = map[string]any{"a": 1}
		}
		path := f.Name
		if f.Type == sdk.FieldBlock {
			wrong = []any{map[string]any{"no_such_attribute": true}}
			path = f.Name + ".0.no_such_attribute"
		}
		add(path, func(c map[string]any) { c[f.Name] = wrong })
		if f.Required {
			add(f.Name, func(c map[string]any) { delete(c, f.Name) })
		}
	}
	add("no_such_attribute", func(c map[string]any) { c["no_such_attribute"] = true })
	return list
}

// read gets the config out of the user's block.
func (k *kit) read(m sdk.Manifest) bool {
	if k.target.Block == nil {
		return true
	}
	began := time.Now()
	var err error
	if k.block, err = k.target.Block(m); err == nil {
		var b []byte
		if b, err = k.block.Decode(m.Fields); err == nil {
			err = json.Unmarshal(b, &k.target.Config)
		}
	}
	if err != nil {
		k.took(Result{Check: "config", Outcome: Fail, Detail: err.Error(), Remedy: "mend the config that it is tested with"}, began)
	}
	return err == nil
}

// settings checks the config block. false: it can't be configured at all.
func (k *kit) settings(ctx context.Context, m sdk.Manifest) bool {
	began := time.Now()
	s, err := k.connect(ctx, Unary, newestVersions)
	if err != nil {
		k.took(Result{Check: "config", Outcome: Fail, Detail: err.Error(), Remedy: "each start has to work"}, began)
		return false
	}
	defer func() {
		k.note(s)
		s.end()
	}()
	list := mistakesIn(m.Fields, k.target.Config)
	for _, path := range slices.Sorted(maps.Keys(k.target.Mistakes)) {
		b, err := json.Marshal(k.target.Mistakes[path])
		if err != nil {
			k.took(Result{Check: "config", Outcome: Fail, Detail: fmt.Sprintf("the mistake of %s is no JSON: %v", path, err)}, began)
			return false
		}
		list = append(list, mistake{path: path, config: b})
	}
	r := Result{Check: "config mistakes", Outcome: OK, Detail: fmt.Sprintf("%d refused, each with its attribute, so that the router can name the line", len(list))}
	for _, one := range list {
		if problem := s.refuses(ctx, one); problem != "" {
			r.Outcome, r.Detail = Fail, problem
			r.Remedy = "answer Configure with a ConfigError whose path is the attribute's, such as rule.1.match; in Go the SDK does, by the config tags"
			break
		}
	}
	k.took(r, began)

	began = time.Now()
	r = Result{Check: "config", Outcome: OK, Detail: "accepted"}
	dir, err := k.dataDir()
	if err == nil {
		var good *session
		good, err = k.open(ctx, Unary, newestVersions, dir)
		k.note(good)
		good.end()
	}
	if err != nil {
		r.Outcome, r.Detail = Fail, err.Error()
		r.Remedy = "Configure has to accept the config and to start within 10 s"
		var refused errConfig
		if errors.As(err, &refused) {
			r.Remedy = "give it a config that it can work with: --config FILE, or the config of plugintest.Conform"
		}
	}
	k.took(r, began)
	return err == nil
}

// refuses is empty where the plugin says what is wrong, and where.
func (s *session) refuses(ctx context.Context, m mistake) string {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	errs, err := s.plugin.Configure(ctx, host.Setup{ConfigJSON: m.config, CheckOnly: true})
	shown := string(m.config)
	if len(shown) > 200 {
		shown = shown[:200] + " ..."
	}
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v, where the attribute %s is wrong", shown, s.because(err), m.path)
	case len(errs) == 0:
		return fmt.Sprintf("%s is accepted, where the attribute %s is wrong", shown, m.path)
	}
	named := make([]string, len(errs))
	for i, e := range errs {
		// The place of a list or a block is right for what is in it.
		if e.Path == m.path || strings.HasPrefix(e.Path, m.path+".") {
			return ""
		}
		named[i] = fmt.Sprintf("%q", e.Path)
	}
	return fmt.Sprintf("%s: the mistake is at %q, the answer names %s", shown, m.path, strings.Join(named, ", "))
}

package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Change is what becomes of one block of a configuration.
type Change struct {
	Action Action `json:"action"`
	// Block as people write it: channel "openai".
	Block string `json:"block"`
	// Fields of a changed block, by name.
	Fields []FieldChange `json:"fields,omitempty"`
}

// Action is added, changed or removed.
type Action string

// The actions.
const (
	Added   Action = "added"
	Changed Action = "changed"
	Removed Action = "removed"
)

// FieldChange is one attribute, before and after. A secret is "***", and so is
// text in a plugin's config block, which may be one.
type FieldChange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff tells what changes from one configuration to the other, block by block.
func Diff(from, to *Config) []Change {
	before, after := from.blocks(), to.blocks()
	var out []Change
	for _, b := range after.order {
		was, ok := before.fields[b]
		switch {
		case !ok:
			out = append(out, Change{Action: Added, Block: b})
		default:
			if f := fieldChanges(was, after.fields[b]); len(f) > 0 {
				out = append(out, Change{Action: Changed, Block: b, Fields: f})
			}
		}
	}
	for _, b := range before.order {
		if _, ok := after.fields[b]; !ok {
			out = append(out, Change{Action: Removed, Block: b})
		}
	}
	return out
}

func fieldChanges(was, is fields) (out []FieldChange) {
	names := slices.Collect(maps.Keys(was))
	for name := range is {
		if _, ok := was[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if a, b := was[name], is[name]; a != b {
			out = append(out, FieldChange{Name: name, From: a.shown, To: b.shown})
		}
	}
	return out
}

// blocks are a configuration's, in the order of its types, and of the file
// within each.
type blocks struct {
	order  []string
	fields map[string]fields
}

// fields of a block, by the names that they have in a file.
type fields map[string]field

// field is compared as a whole; people see what is shown of it.
type field struct{ shown, hidden string }

func (b *blocks) add(name string, f fields) {
	if _, ok := b.fields[name]; !ok {
		b.order = append(b.order, name)
	}
	b.fields[name] = f
}

// blocks flattens the configuration. It goes by the types, so that no new
// attribute can be forgotten here.
func (c *Config) blocks() *blocks {
	b := &blocks{fields: make(map[string]fields)}
	v := reflect.ValueOf(*c)
	store := fields{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == "Path" || f.Name == "Hash" || f.Name == "Warnings" || f.Name == "Files" {
			continue
		}
		switch value := v.Field(i); {
		case f.Name == "Store":
			store["cache"] = show(value)
		case f.Name == "ResponseTTL":
			store["response_ttl"] = show(value)
		case f.Name == "Fleet":
			flatten("", value, store)
		case value.Kind() == reflect.Slice:
			kind := strings.TrimSuffix(wordOf(v.Type(), f), "s")
			for j := range value.Len() {
				c.addNamed(b, kind, value.Index(j))
			}
		case value.Kind() == reflect.Struct:
			own := fields{}
			flatten("", value, own)
			b.add(snake(f.Name), own)
		default:
			b.add("the file", fields{snake(f.Name): show(value)})
		}
	}
	b.add("store", store)
	return b
}

// words are what a file calls fields whose names here are others; those without a
// word have their attributes in the block itself.
var words = map[string]string{
	"Config.Observers": "observe",
	"Channel.Secret":   "api_key", "Channel.Prices": "price",
	"Plugin.Builtin": "use", "Plugin.Limits": "",
	"Step.Plugin": "run", "Step.Call": "", "Canary.Plugin": "run", "Observer.Plugin": "run",
}

// wordOf is what a file calls a field of a type.
func wordOf(of reflect.Type, f reflect.StructField) string {
	if w, ok := words[of.Name()+"."+f.Name]; ok {
		return w
	}
	return snake(f.Name)
}

func (c *Config) addNamed(b *blocks, kind string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	own := fields{}
	flatten("", v, own)
	switch x := v.Addr().Interface().(type) {
	case *Plugin:
		if x.Builtin != "" {
			own["use"] = field{shown: "plugin." + string(x.Kind) + "." + x.Builtin}
		}
		own["user"] = field{shown: x.User, hidden: own["user_asked"].shown}
		delete(own, "user_asked")
		for name, value := range c.dumps[pluginOf(c, x.Address())] {
			own[dotted("config", name)] = showConfig(value)
		}
		b.add(fmt.Sprintf("plugin %q %q", x.Kind, x.Name), own)
	case *Pipeline:
		var names []string
		for _, s := range x.Steps {
			names = append(names, s.Name)
			step := fields{}
			flatten("", reflect.ValueOf(*s), step)
			if s.Kind == sdk.KindAdapter {
				step["run"] = field{shown: "provider.adapter"}
			}
			b.add(fmt.Sprintf("pipeline %q step %q", x.Name, s.Name), step)
		}
		b.add(fmt.Sprintf("pipeline %q", x.Name), fields{"steps": {shown: strings.Join(names, ", ")}})
	default:
		name := ""
		if n := v.FieldByName("Name"); n.IsValid() {
			name = n.String()
		}
		b.add(fmt.Sprintf("%s %q", kind, name), own)
	}
}

func pluginOf(c *Config, address string) *Plugin {
	for _, p := range c.Plugins {
		if p.Address() == address {
			return p
		}
	}
	return nil
}

// flatten reads a struct's exported fields. Those of structs within have dots.
func flatten(prefix string, v reflect.Value, out fields) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Anonymous || f.Name == "Name" && prefix == "" || f.Name == "Hash" || f.Name == "Kind" {
			continue
		}
		name, value := dotted(prefix, wordOf(v.Type(), f)), v.Field(i)
		if canary, ok := value.Interface().(*Canary); ok {
			if canary == nil {
				continue
			}
			value = value.Elem()
		}
		if value.Kind() == reflect.Struct {
			flatten(name, value, out)
		} else {
			out[name] = show(value)
		}
	}
}

func dotted(prefix, name string) string {
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

// show is a value as a file would have it.
func show(v reflect.Value) field {
	switch x := v.Interface().(type) {
	case Secret:
		return secretField(x.Reveal())
	case Env:
		all, _ := json.Marshal(map[string]string(x)) // plain text
		return field{shown: strings.Join(slices.Sorted(maps.Keys(x)), ", ") + " = ***", hidden: string(all)}
	case time.Duration:
		return field{shown: x.String()}
	case *Plugin:
		if x == nil {
			return field{}
		}
		return field{shown: x.Address()}
	case *Provider:
		// A predeclared one may have changed by a block of that name.
		all := fields{}
		flatten("", reflect.ValueOf(*x), all)
		return field{shown: "provider." + x.Name, hidden: fmt.Sprint(all)}
	case *Pipeline:
		return field{shown: "pipeline." + x.Name}
	case *LockedPlugin:
		return x.field()
	case map[string]string:
		shown, hidden := make(map[string]string, len(x)), ""
		for _, name := range slices.Sorted(maps.Keys(x)) {
			shown[name] = x[name]
			if secretName().MatchString(name) {
				shown[name] = "***"
				hidden += name + "=" + x[name] + "\n"
			}
		}
		js, _ := json.Marshal(shown) // plain text
		return field{shown: string(js), hidden: hidden}
	case []Price:
		var all []string
		for _, p := range x {
			all = append(all, fmt.Sprintf("%q input %g output %g", p.Model, p.Input, p.Output))
		}
		return field{shown: strings.Join(all, ", ")}
	}
	switch v.Kind() {
	case reflect.String:
		return field{shown: v.String()}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			return field{}
		}
	}
	js, err := json.Marshal(v.Interface())
	if err != nil {
		panic(fmt.Sprintf("config: %s as JSON: %v", v.Type(), err)) // these types are ours
	}
	return field{shown: string(js)}
}

func secretField(s string) field {
	if s == "" {
		return field{}
	}
	return field{shown: "***", hidden: s}
}

// showConfig is an attribute of a plugin's config block. Numbers and flags are no
// secrets; text may be one whatever its name is, as a URL that holds a password.
func showConfig(value any) field {
	js, err := json.Marshal(value)
	if err != nil {
		panic("config: a config block as JSON: " + err.Error()) // it was made from HCL
	}
	text := string(js)
	if _, err := strconv.ParseFloat(text, 64); err == nil || text == "true" || text == "false" {
		return field{shown: text}
	}
	return field{shown: "***", hidden: text}
}

// snake is a Go name as an attribute's: MaxInFlight is max_in_flight.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		if upper && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// shownSum is how much of a checksum is told: enough to tell two apart.
const shownSum = 12

func (p *LockedPlugin) field() field {
	if p == nil {
		return field{}
	}
	shown, hidden := []string{p.Version}, ""
	for _, f := range p.Files {
		shown = append(shown, filepath.Base(f.Path)+" "+f.SHA256[:min(len(f.SHA256), shownSum)])
		hidden += f.Path + " " + f.SHA256 + "\n"
	}
	return field{shown: strings.Join(shown, " "), hidden: hidden}
}

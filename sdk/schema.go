package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes in a config struct; in HCL it has a unit: "64MiB".
type Size int64

// String writes the size as HCL reads it, in the largest unit that is exact.
func (s Size) String() string {
	unit, units := "B", []string{"KiB", "MiB", "GiB"}
	for len(units) > 0 && s != 0 && s%1024 == 0 {
		s, unit, units = s/1024, units[0], units[1:]
	}
	return strconv.FormatInt(int64(s), 10) + unit
}

// SchemaOf reads the schema of a config block from the tags of the struct that
// config points to:
//
//	type steadiest struct {
//		MaxErrorRate float64 `config:"max_error_rate" doc:"above it a channel is out" min:"0" max:"1"`
//		Team         string  `config:"team,required"`
//		Rules        []rule  `config:"rule" doc:"the first that matches"`
//	}
//
// A field is a string, bool, integer, float, [time.Duration], [Size], []string,
// map[string]string, or a slice of structs for a nested block. A string of a nested
// block with the option label stands in front of its braces: rule "name" { ... }.
// A field's value in the struct is its default; in a nested block that is the zero value. Bounds (min,
// max) are for numbers, durations ("1s") and sizes (bytes). An error is the
// author's mistake.
func SchemaOf(config any) ([]Field, error) {
	s, err := newSchema(config)
	if err != nil {
		return nil, err
	}
	return s.describe(), nil
}

// schema is a struct with config tags, ready to be filled.
type schema struct {
	into     reflect.Value // the struct; invalid for a nested block's
	settings []setting
}

// setting is one tagged field.
type setting struct {
	Field
	index    int
	min, max *float64             // as the numbers below; nil: no bound
	unit     func(float64) string // how a bound is written
	initial  reflect.Value        // the default
	block    *schema              // of a nested block
	element  reflect.Type
}

var (
	configName   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	stringsType  = reflect.TypeFor[[]string]()
	mapType      = reflect.TypeFor[map[string]string]()
)

// newSchema reads tags. A nil config has no fields.
func newSchema(config any) (*schema, error) {
	if config == nil {
		return &schema{}, nil
	}
	v := reflect.ValueOf(config)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("config: %T is no pointer to a struct", config)
	}
	s, err := schemaOfStruct(v.Elem().Type(), v.Elem())
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	s.into = v.Elem()
	return s, nil
}

func schemaOfStruct(t reflect.Type, values reflect.Value) (*schema, error) {
	s := &schema{}
	seen := make(map[string]bool)
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("config")
		if !ok {
			continue
		}
		set, err := newSetting(f, tag, values.Field(i))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		if seen[set.Name] {
			return nil, fmt.Errorf("%s.%s: a second field %q", t, f.Name, set.Name)
		}
		seen[set.Name] = true
		set.index = i
		s.settings = append(s.settings, set)
	}
	return s, nil
}

func newSetting(f reflect.StructField, tag string, value reflect.Value) (setting, error) {
	name, option, hasOption := strings.Cut(tag, ",")
	label := option == "label"
	set := setting{Field: Field{Name: name, Doc: f.Tag.Get("doc"), Required: label || option == "required"}}
	switch {
	case !f.IsExported():
		return set, fmt.Errorf("a config field must be exported")
	case !configName.MatchString(name):
		return set, fmt.Errorf("the name %q is not of lower-case letters, digits and _", name)
	case hasOption && !set.Required:
		return set, fmt.Errorf("unknown option %q; there are required and label", option)
	case label && f.Type.Kind() != reflect.String:
		return set, fmt.Errorf("a label is a string")
	}
	if err := set.read(f.Type, value); err != nil {
		return set, err
	}
	if label {
		set.Type = FieldLabel
	}
	if err := set.bound(f.Tag); err != nil {
		return set, err
	}
	set.initial = reflect.New(f.Type).Elem()
	set.initial.Set(value)
	if set.Required {
		return set, nil
	}
	if set.block == nil {
		if text := set.outside(set.initial); text != "" {
			return set, fmt.Errorf("the default %s", text)
		}
	}
	def, err := json.Marshal(set.defaultValue())
	set.Default = string(def)
	return set, err
}

// read finds out the type.
func (set *setting) read(t reflect.Type, value reflect.Value) error {
	switch t {
	case durationType:
		set.Type = FieldDuration
		return nil
	case sizeType:
		set.Type = FieldSize
		return nil
	case stringsType:
		set.Type = FieldList
		return nil
	case mapType:
		set.Type = FieldMap
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		set.Type = FieldString
	case reflect.Bool:
		set.Type = FieldBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		set.Type = FieldInt
	case reflect.Float32, reflect.Float64:
		set.Type = FieldFloat
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Struct {
			return fmt.Errorf("a config block cannot hold a %s", t)
		}
		if value.Len() > 0 {
			return fmt.Errorf("a nested block has no default")
		}
		return set.readBlock(t.Elem())
	default:
		return fmt.Errorf("a config block cannot hold a %s", t)
	}
	return nil
}

func (set *setting) readBlock(t reflect.Type) (err error) {
	set.Type = FieldBlock
	set.element = t
	set.block, err = schemaOfStruct(t, reflect.Zero(t))
	if err == nil && len(set.block.settings) == 0 {
		err = fmt.Errorf("%s has no config tags", t)
	}
	if err == nil {
		set.Fields = set.block.describe()
	}
	return err
}

// bound reads the tags min and max.
func (set *setting) bound(tag reflect.StructTag) error {
	for _, b := range []struct {
		name string
		to   **float64
		text *string
	}{{"min", &set.min, &set.Min}, {"max", &set.max, &set.Max}} {
		text, ok := tag.Lookup(b.name)
		if !ok {
			continue
		}
		v, err := set.parseBound(text)
		if err != nil {
			return fmt.Errorf("%s:%q: %w", b.name, text, err)
		}
		*b.to, *b.text = &v, set.unit(v)
	}
	if set.min != nil && set.max != nil && *set.min > *set.max {
		return fmt.Errorf("min is more than max")
	}
	return nil
}

func (set *setting) parseBound(text string) (float64, error) {
	set.unit = func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	switch set.Type {
	case FieldDuration:
		set.unit = func(v float64) string { return time.Duration(v).String() }
		d, err := time.ParseDuration(text)
		return float64(d), err
	case FieldSize:
		set.unit = func(v float64) string { return Size(v).String() }
		n, err := strconv.ParseInt(text, 10, 64)
		return float64(n), err
	case FieldInt:
		n, err := strconv.ParseInt(text, 10, 64)
		return float64(n), err
	case FieldFloat:
		v, err := strconv.ParseFloat(text, 64)
		if err == nil && math.IsNaN(v) {
			err = fmt.Errorf("is no number")
		}
		return v, err
	default:
		return 0, fmt.Errorf("a %s has no bounds", set.Type)
	}
}

// outside says how v is out of bounds; empty: it is not.
func (set *setting) outside(v reflect.Value) string {
	if set.min == nil && set.max == nil {
		return ""
	}
	var n float64
	switch {
	case v.CanFloat():
		n = v.Float()
	case v.CanUint():
		n = float64(v.Uint())
	default:
		n = float64(v.Int())
	}
	below := set.min != nil && n < *set.min
	above := set.max != nil && n > *set.max
	switch {
	case !below && !above:
		return ""
	case set.min != nil && set.max != nil:
		return fmt.Sprintf("is %s and must be from %s to %s", set.unit(n), set.unit(*set.min), set.unit(*set.max))
	case below:
		return fmt.Sprintf("is %s and must be at least %s", set.unit(n), set.unit(*set.min))
	default:
		return fmt.Sprintf("is %s and must be at most %s", set.unit(n), set.unit(*set.max))
	}
}

// defaultValue in the form that the wire gives it.
func (set *setting) defaultValue() any {
	switch set.Type {
	case FieldDuration:
		return time.Duration(set.initial.Int()).String()
	case FieldList, FieldBlock:
		if set.initial.Len() == 0 {
			return []string{}
		}
	case FieldMap:
		if set.initial.Len() == 0 {
			return map[string]string{}
		}
	}
	return set.initial.Interface()
}

func (s *schema) describe() []Field {
	var fields []Field
	for _, set := range s.settings {
		fields = append(fields, set.Field)
	}
	return fields
}

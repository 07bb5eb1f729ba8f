package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode fills the struct from a config block in JSON, after setting it back
// to its defaults. It reports all that is wrong, not just the first thing.
func (s *schema) decode(block []byte) []ConfigError {
	for _, set := range s.settings {
		s.into.Field(set.index).Set(clone(set.initial))
	}
	if len(bytes.TrimSpace(block)) == 0 {
		block = []byte("{}")
	}
	return s.decodeInto(s.into, block, "")
}

// clone keeps a default safe from an author who appends to his field.
func clone(v reflect.Value) reflect.Value {
	switch list := v.Interface().(type) {
	case []string:
		return reflect.ValueOf(slices.Clone(list)).Convert(v.Type())
	case map[string]string:
		if list == nil {
			return v
		}
		m := make(map[string]string, len(list))
		for k, e := range list {
			m[k] = e
		}
		return reflect.ValueOf(m)
	default:
		return v
	}
}

func (s *schema) decodeInto(into reflect.Value, block []byte, at string) (errs []ConfigError) {
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(block, &attrs); err != nil {
		return []ConfigError{{Path: strings.TrimSuffix(at, "."), Message: "is no block of attributes"}}
	}
	for _, set := range s.settings {
		value, ok := attrs[set.Name]
		delete(attrs, set.Name)
		if !ok || string(bytes.TrimSpace(value)) == "null" {
			if set.Required {
				errs = append(errs, ConfigError{Path: at + set.Name, Message: "is required"})
			}
			continue
		}
		if set.block != nil {
			errs = append(errs, set.decodeBlocks(into.Field(set.index), value, at)...)
			continue
		}
		if err := set.decodeValue(into.Field(set.index), value); err != nil {
			errs = append(errs, ConfigError{Path: at + set.Name, Message: err.Error()})
		}
	}
	unknown := make([]string, 0, len(attrs))
	for name := range attrs {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		errs = append(errs, ConfigError{Path: at + name, Message: "is unknown; " + s.known()})
	}
	return errs
}

func (s *schema) known() string {
	if len(s.settings) == 0 {
		return "this plugin has no config"
	}
	names := make([]string, len(s.settings))
	for i, set := range s.settings {
		names[i] = set.Name
	}
	return "there is: " + strings.Join(names, ", ")
}

func (set *setting) decodeBlocks(into reflect.Value, value []byte, at string) (errs []ConfigError) {
	var blocks []json.RawMessage
	if err := json.Unmarshal(value, &blocks); err != nil {
		return []ConfigError{{Path: at + set.Name, Message: "is no list of blocks"}}
	}
	if set.Required && len(blocks) == 0 {
		return []ConfigError{{Path: at + set.Name, Message: "is required"}}
	}
	list := reflect.MakeSlice(into.Type(), len(blocks), len(blocks))
	for i, b := range blocks {
		errs = append(errs, set.block.decodeInto(list.Index(i), b, at+set.Name+"."+strconv.Itoa(i)+".")...)
	}
	into.Set(list)
	return errs
}

func (set *setting) decodeValue(into reflect.Value, value []byte) error {
	switch set.Type {
	case FieldDuration:
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return errors.New(`is no duration such as "1.5s"`)
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf(`%q is no duration such as "1.5s"`, text)
		}
		into.SetInt(int64(d))
	case FieldInt, FieldSize:
		if err := setInteger(into, value); err != nil {
			return err
		}
	default:
		// A null inside a list would become an empty string.
		if (set.Type == FieldList || set.Type == FieldMap) && hasNull(value) {
			return errors.New("has an element that is null")
		}
		// Unmarshal adds to a map that is there.
		fresh := reflect.New(into.Type())
		if err := json.Unmarshal(value, fresh.Interface()); err != nil {
			return fmt.Errorf("is no %s", set.Type.people())
		}
		into.Set(fresh.Elem())
	}
	if text := set.outside(into); text != "" {
		return errors.New(text)
	}
	return nil
}

func hasNull(value []byte) bool {
	var list []json.RawMessage
	var table map[string]json.RawMessage
	isNull := func(v json.RawMessage) bool { return string(v) == "null" }
	if json.Unmarshal(value, &list) == nil {
		return slices.ContainsFunc(list, isNull)
	}
	if json.Unmarshal(value, &table) == nil {
		for _, v := range table {
			if isNull(v) {
				return true
			}
		}
	}
	return false
}

// setInteger takes 5, and also 5.0 and 5e0 from writers that know floats only.
func setInteger(into reflect.Value, value []byte) error {
	var n json.Number
	if len(value) == 0 || value[0] == '"' || json.Unmarshal(value, &n) != nil {
		return errors.New("is no whole number")
	}
	if into.CanUint() {
		u, err := strconv.ParseUint(n.String(), 10, 64)
		if err != nil {
			f, whole := wholeFloat(n)
			if !whole || f < 0 || f >= 1<<64 {
				return fmt.Errorf("%s is no whole number from 0 on", n)
			}
			u = uint64(f)
		}
		if into.OverflowUint(u) {
			return fmt.Errorf("%s is too large", n)
		}
		into.SetUint(u)
		return nil
	}
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil {
		f, whole := wholeFloat(n)
		if !whole {
			return fmt.Errorf("%s is no whole number", n)
		}
		if f < -1<<63 || f >= 1<<63 {
			return fmt.Errorf("%s is too large", n)
		}
		i = int64(f)
	}
	if into.OverflowInt(i) {
		return fmt.Errorf("%s is too large", n)
	}
	into.SetInt(i)
	return nil
}

func wholeFloat(n json.Number) (float64, bool) {
	f, err := n.Float64()
	return f, err == nil && f == math.Trunc(f)
}

// people is how a message names the type.
func (t FieldType) people() string {
	switch t {
	case FieldBool:
		return "true or false"
	case FieldFloat:
		return "number"
	case FieldList:
		return "list of strings"
	case FieldMap:
		return "map of strings"
	default:
		return string(t)
	}
}

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// missing marks a value made from an environment variable that is not there.
// A mark survives templates and functions, where a null would be an error.
type missing struct {
	name  string
	empty bool // it is there, and empty
}

func (m missing) String() string {
	if m.empty {
		return m.name + " is empty"
	}
	return m.name + " is not set"
}

// missingIn sorts what is missing by name.
func missingIn(marks cty.ValueMarks) []missing {
	var lacks []missing
	for m := range marks {
		if m, ok := m.(missing); ok {
			lacks = append(lacks, m)
		}
	}
	slices.SortFunc(lacks, func(a, b missing) int { return strings.Compare(a.name, b.name) })
	return lacks
}

// functions are those that a file may call. read is told which files are read.
func functions(env func(string) (string, bool), dir string, read func(path string)) *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{
		"env":        envFunction(env),
		"file":       fileFunction(dir, read),
		"concat":     stdlib.ConcatFunc,
		"join":       stdlib.JoinFunc,
		"lower":      stdlib.LowerFunc,
		"replace":    stdlib.ReplaceFunc,
		"split":      stdlib.SplitFunc,
		"trimprefix": stdlib.TrimPrefixFunc,
		"trimspace":  stdlib.TrimSpaceFunc,
		"trimsuffix": stdlib.TrimSuffixFunc,
		"upper":      stdlib.UpperFunc,
	}}
}

// envFunction is env(name) or env(name, default). The default also stands in
// for a variable that is empty.
func envFunction(env func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		// With AllowMarked, a default that lacks something counts only where it is used.
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowMarked: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errors.New("takes a name and a default")
			}
			name := args[0].AsString()
			if !envName().MatchString(name) {
				return cty.NilVal, fmt.Errorf("%q is no name of a variable", name)
			}
			v, ok := env(name)
			switch {
			case ok && v != "":
				return cty.StringVal(v), nil
			case len(args) == 2:
				return args[1], nil
			default:
				return cty.StringVal("").Mark(missing{name: name, empty: ok}), nil
			}
		},
	})
}

// maxFile bounds what file() reads, in bytes.
const maxFile = 1 * mib

// fileFunction is file(path), relative to the config's folder.
func fileFunction(dir string, read func(path string)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			path := name
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			read(path)
			text, err := readText(path)
			if err != nil {
				var at *os.PathError
				if errors.As(err, &at) {
					err = at.Err
				}
				return cty.NilVal, fmt.Errorf("%s: %w", name, err)
			}
			return cty.StringVal(text), nil
		},
	})
}

func readText(path string) (string, error) {
	// Opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case int64(len(text)) > maxFile:
		return "", errors.New("larger than 1 MiB")
	case !utf8.Valid(text):
		return "", errors.New("not UTF-8")
	}
	return string(text), nil
}

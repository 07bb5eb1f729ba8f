package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// byHand is what the program says when a person starts it.
func (s *server) byHand() string {
	m := s.manifest
	kinds := make([]string, len(m.Kinds))
	for i, k := range m.Kinds {
		kinds[i] = string(k)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: a %s plugin of Smart AI Router.\n", m.Name, m.Version, strings.Join(kinds, ", "))
	if m.Doc != "" {
		fmt.Fprintf(&b, "%s\n", m.Doc)
	}
	fmt.Fprintf(&b, "\nThe router starts it. For that, put this into your router.hcl:\n")
	for _, k := range m.Kinds {
		fmt.Fprintf(&b, "\nplugin %q %q {\n  command = [%s]\n", string(k), m.Name, quoteAll(commandLine()))
		if len(m.Needs) > 0 {
			fmt.Fprintf(&b, "  grants  = [%s]\n", quoteAll(m.Needs))
		}
		if len(m.Fields) > 0 {
			fmt.Fprintf(&b, "  config {\n%s  }\n", exampleOf(m.Fields, "    "))
		}
		fmt.Fprintf(&b, "}\n\n# %s\n", useOf(k, m.Name))
	}
	return b.String()
}

// commandLine is how the program was started, from anywhere.
func commandLine() []string {
	args := append([]string(nil), os.Args...)
	if path, err := os.Executable(); err == nil {
		args[0] = path
	} else if path, err := filepath.Abs(args[0]); err == nil {
		args[0] = path
	}
	return args
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = plainHCL.Replace(strconv.Quote(s))
	}
	return strings.Join(quoted, ", ")
}

// plainHCL keeps JSON or a quoted string from being a template in HCL.
var plainHCL = strings.NewReplacer("${", "$${", "%{", "%%{")

// ExampleConfig is how a config block with all its defaults is written in HCL.
func ExampleConfig(fields []Field, indent string) string { return exampleOf(fields, indent) }

// exampleOf writes each attribute with its default.
func exampleOf(fields []Field, indent string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, f := range fields {
		if f.Type != FieldBlock && f.Type != FieldLabel {
			fmt.Fprintf(w, "%s%s\t= %s%s\n", indent, f.Name, f.example(), comment(f, "\t# "))
		}
	}
	w.Flush()
	for _, f := range fields {
		if f.Type == FieldBlock {
			fmt.Fprintf(&b, "%s%s%s {%s\n%s%s}\n", indent, f.Name, labels(f.Fields), comment(f, " # "), exampleOf(f.Fields, indent+"  "), indent)
		}
	}
	return b.String()
}

// labels of a block with the fields.
func labels(fields []Field) string {
	s := ""
	for _, f := range fields {
		if f.Type == FieldLabel {
			s += " " + strconv.Quote(strings.ToUpper(f.Name))
		}
	}
	return s
}

func comment(f Field, before string) string {
	switch {
	case f.Required && f.Doc != "":
		return before + "required: " + f.Doc
	case f.Required:
		return before + "required"
	case f.Doc != "":
		return before + f.Doc
	default:
		return ""
	}
}

func (f Field) example() string {
	if bytes, err := strconv.ParseInt(f.Default, 10, 64); f.Type == FieldSize && err == nil {
		return strconv.Quote(Size(bytes).String())
	}
	if f.Default != "" {
		return plainHCL.Replace(f.Default)
	}
	switch f.Type {
	case FieldBool:
		return "false"
	case FieldInt, FieldFloat:
		return "0"
	case FieldDuration:
		return `"1s"`
	case FieldSize:
		return `"1MiB"`
	case FieldList:
		return "[]"
	case FieldMap:
		return "{}"
	default:
		return `""`
	}
}

func useOf(k Kind, name string) string {
	address := "plugin." + string(k) + "." + name
	switch k {
	case KindAdapter:
		return "and name it in a provider: adapter = " + address
	case KindObserver:
		return "and name it in a block of its own: observe " + strconv.Quote(name) + " { run = " + address + " }"
	case KindCache:
		return "and name it in a step, run = " + address + ", or in store { cache = " + address + " }"
	default:
		return "and name it in a step of your pipeline: run = " + address
	}
}

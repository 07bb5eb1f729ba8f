package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPluginDocs() *cobra.Command {
	var p place
	var schema bool
	cmd := &cobra.Command{
		Use: "docs [FLAGS] KIND.NAME|FOLDER|PROGRAM [ARG ...]", Short: "Write a plugin's documentation from what it says of itself",
		Long: "Print a plugin's documentation as Markdown, or with --schema the JSON schema of its config block,\n" +
			"from what the plugin says of itself.",
		Example: "  smartrouter plugin docs selector.smart > selector-smart.md\n  smartrouter plugin docs --schema ./mine > mine.schema.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plugin, m, err := documented(cmd, &p, args)
			if err != nil {
				return err
			}
			if !schema {
				fmt.Fprint(cmd.OutOrStdout(), markdown(plugin, m, args))
				return nil
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(configSchema(m))
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the program is its own
	p.configFlag(cmd)
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON schema of the config block")
	return cmd
}

var address = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(plugin\.)?[a-z]+\.[a-zA-Z][a-zA-Z0-9_-]*$`) })

// documented finds the plugin, declared or not, and asks what it is.
func documented(cmd *cobra.Command, p *place, args []string) (*config.Plugin, sdk.Manifest, error) {
	if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) && len(args) == 1 && address().MatchString(args[0]) {
		cfg, err := p.load()
		if errors.Is(err, fs.ErrNotExist) {
			cfg, err = &config.Config{}, nil // ours need no configuration
		}
		if err != nil {
			return nil, sdk.Manifest{}, err
		}
		plugin, err := pluginAt(cfg, args[0])
		if err != nil {
			return nil, sdk.Manifest{}, err
		}
		m, err := describe(cmd, cfg, plugin)
		return plugin, m, err
	}
	tmp, err := os.MkdirTemp("", "smartrouter-docs-")
	if err != nil {
		return nil, sdk.Manifest{}, err
	}
	defer os.RemoveAll(tmp)
	command, err := runnable(cmd.Context(), args, tmp)
	if err != nil {
		return nil, sdk.Manifest{}, err
	}
	plugin := bare(command...)
	m, err := describe(cmd, &config.Config{}, plugin)
	return plugin, m, err
}

// markdown is the documentation of a plugin.
func markdown(p *config.Plugin, m sdk.Manifest, args []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", m.Name)
	if m.Doc != "" {
		fmt.Fprintf(&b, "%s\n\n", cell(m.Doc))
	}
	fmt.Fprintf(&b, "Version %s. Kind: %s.\n\n", m.Version, commas(m.Kinds))
	if len(m.Reads) > 0 {
		facts := make([]string, len(m.Reads))
		for n, f := range m.Reads {
			facts[n] = "`" + string(f) + "`"
		}
		fmt.Fprintf(&b, "It decides by these facts of a request: %s.\n\n", strings.Join(facts, ", "))
	}
	if len(m.Needs) > 0 {
		fmt.Fprintf(&b, "It needs these grants: `%s`.\n\n", strings.Join(m.Needs, "`, `"))
	}
	use, command := "", args
	if p.Builtin != "" {
		use = string(p.Kind) + "." + p.Builtin
	} else if len(p.Command) > 0 && p.Kind != "" {
		command = p.Command
	}
	fmt.Fprintf(&b, "```hcl\n%s```\n", blockOf(m, use, command...))
	if len(m.Fields) > 0 {
		b.WriteString("\n## config\n\n")
		fieldTable(&b, m.Fields, "config")
	}
	return b.String()
}

// fieldTable writes a table for a block, and one for each block in it.
func fieldTable(b *strings.Builder, fields []sdk.Field, block string) {
	b.WriteString("| attribute | type | default | what it is |\n|---|---|---|---|\n")
	for _, f := range fields {
		value := "`" + shownDefault(f) + "`"
		switch {
		case f.Required:
			value = "required"
		case f.Type == sdk.FieldBlock:
			value = ""
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, cell(value), cell(f.Doc+bounds(f)))
	}
	for _, f := range fields {
		if f.Type == sdk.FieldBlock {
			fmt.Fprintf(b, "\n### %s.%s\n\nMay be repeated.\n\n", block, f.Name)
			fieldTable(b, f.Fields, block+"."+f.Name)
		}
	}
}

// bounds are added to what a field is, "; from 0 to 1".
func bounds(f sdk.Field) string {
	switch {
	case f.Min != "" && f.Max != "":
		return "; from " + f.Min + " to " + f.Max
	case f.Min != "":
		return "; at least " + f.Min
	case f.Max != "":
		return "; at most " + f.Max
	}
	return ""
}

// cell keeps a text inside its cell.
func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }

// shownDefault is a default as HCL has it.
func shownDefault(f sdk.Field) string {
	if bytes, err := strconv.ParseInt(f.Default, 10, 64); f.Type == sdk.FieldSize && err == nil {
		return strconv.Quote(sdk.Size(bytes).String())
	}
	return f.Default
}

// schemaNode is JSON schema, as far as it is needed.
type schemaNode struct {
	Schema      string                 `json:"$schema,omitempty"`
	Title       string                 `json:"title,omitempty"`
	Description string                 `json:"description,omitempty"`
	Type        string                 `json:"type"`
	Pattern     string                 `json:"pattern,omitempty"`
	Default     json.RawMessage        `json:"default,omitempty"`
	Minimum     json.Number            `json:"minimum,omitempty"`
	Maximum     json.Number            `json:"maximum,omitempty"`
	Items       *schemaNode            `json:"items,omitempty"`
	Properties  map[string]*schemaNode `json:"properties,omitempty"`
	Required    []string               `json:"required,omitempty"`
	// Additional is false or, of a map, the schema of its values.
	Additional any `json:"additionalProperties,omitempty"`
}

// configSchema is the schema of a config block as a user writes it.
func configSchema(m sdk.Manifest) *schemaNode {
	n := objectSchema(m.Fields)
	n.Schema = "https://json-schema.org/draft/2020-12/schema"
	n.Title = "config of " + m.Name + " " + m.Version
	n.Description = m.Doc
	return n
}

func objectSchema(fields []sdk.Field) *schemaNode {
	n := &schemaNode{Type: "object", Properties: map[string]*schemaNode{}, Additional: false}
	for _, f := range fields {
		n.Properties[f.Name] = fieldSchema(f)
		if f.Required {
			n.Required = append(n.Required, f.Name)
		}
	}
	return n
}

const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)$`
)

func fieldSchema(f sdk.Field) *schemaNode {
	n := &schemaNode{Type: "string"}
	switch f.Type {
	case sdk.FieldBool:
		n.Type = "boolean"
	case sdk.FieldInt:
		n.Type = "integer"
	case sdk.FieldFloat:
		n.Type = "number"
	case sdk.FieldDuration:
		n.Pattern = durationPattern
	case sdk.FieldSize:
		n.Pattern = sizePattern
	case sdk.FieldList:
		n.Type, n.Items = "array", &schemaNode{Type: "string"}
	case sdk.FieldMap:
		n.Type, n.Additional = "object", &schemaNode{Type: "string"}
	case sdk.FieldBlock:
		n.Type, n.Items = "array", objectSchema(f.Fields)
	}
	n.Description = f.Doc
	if n.Type == "integer" || n.Type == "number" {
		n.Minimum, n.Maximum = number(f.Min), number(f.Max)
	} else {
		n.Description += bounds(f) // which a text can't be checked for
	}
	if text := shownDefault(f); text != "" && f.Type != sdk.FieldBlock {
		n.Default = json.RawMessage(text)
	}
	return n
}

// number is a bound, where it is one in JSON too.
func number(bound string) json.Number {
	if !json.Valid([]byte(bound)) {
		return ""
	}
	return json.Number(bound)
}

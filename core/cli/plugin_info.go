package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPluginInfo() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "info KIND.NAME", Short: "Tell all about one plugin: manifest, grants, config, lock, state",
		Example: "  smartrouter plugin info selector.smart", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			plugin, err := pluginAt(cfg, args[0])
			if err != nil {
				return err
			}
			m, err := describe(cmd, cfg, plugin)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			aboutManifest(w, plugin, m)
			aboutLock(w, plugin)
			aboutState(w, cmd, &p, plugin)
			if err := aboutConfig(w, plugin, m); err != nil {
				return err
			}
			return w.Flush()
		},
	}
	p.flags(cmd)
	return cmd
}

// pluginAt finds a plugin of the configuration, or one of ours that it does not
// use, by an address with or without "plugin." before it.
func pluginAt(cfg *config.Config, address string) (*config.Plugin, error) {
	short := strings.TrimPrefix(address, "plugin.")
	kind, name, _ := strings.Cut(short, ".")
	if p := cfg.Plugin("plugin." + short); p != nil {
		return p, nil
	}
	if p := config.FirstParty(sdk.Kind(kind), name); p != nil {
		return p, nil
	}
	var have []string
	for _, p := range cfg.Plugins {
		have = append(have, strings.TrimPrefix(p.Address(), "plugin."))
	}
	return nil, fmt.Errorf("there is no plugin %s; there are %s", short, strings.Join(have, ", "))
}

func describe(cmd *cobra.Command, cfg *config.Config, p *config.Plugin) (sdk.Manifest, error) {
	manifests, errs, err := router.Describe(cmd.Context(), []*config.Plugin{p}, self, newLog(cfg.Log, cmd.ErrOrStderr()))
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return sdk.Manifest{}, err
	}
	return manifests[0], nil
}

func aboutManifest(w io.Writer, p *config.Plugin, m sdk.Manifest) {
	fmt.Fprintf(w, "%s\t%s %s\n", p.Address(), m.Name, m.Version)
	if m.Doc != "" {
		fmt.Fprintf(w, "what\t%s\n", m.Doc)
	}
	runs := "part of the router: " + string(p.Kind) + "/" + p.Builtin
	if len(p.Command) > 0 {
		runs = strings.Join(p.Command, " ")
	}
	fmt.Fprintf(w, "runs\t%s\n", runs)
	fmt.Fprintf(w, "kinds\t%s\n", commas(m.Kinds))
	fmt.Fprintf(w, "reads\t%s\n", dash(commas(m.Reads)))
	how := "by unary calls"
	if m.Lane {
		how = "over the lane"
	}
	if m.Computes {
		how += ", one after the other: it only computes"
	}
	fmt.Fprintf(w, "called\t%s\n", how)
	var needs []string
	for _, need := range m.Needs {
		granted := "not granted"
		if slices.Contains(p.Grants, need) {
			granted = "granted"
		}
		needs = append(needs, need+" ("+granted+")")
	}
	fmt.Fprintf(w, "needs\t%s\n", dash(strings.Join(needs, ", ")))
}

func aboutLock(w io.Writer, p *config.Plugin) {
	switch {
	case len(p.Command) == 0:
		fmt.Fprintln(w, "lock\tpart of the router, needs none")
	case p.Lock == nil:
		fmt.Fprintln(w, "lock\tnot pinned; smartrouter plugin install pins it")
	default:
		fmt.Fprintf(w, "lock\tversion %s\n", p.Lock.Version)
		for _, f := range p.Lock.Files {
			fmt.Fprintf(w, "\t%s: %s\n", shortPath(f.Path), fileState(f))
		}
	}
}

// aboutState is empty where no router runs.
func aboutState(w io.Writer, cmd *cobra.Command, at *place, p *config.Plugin) {
	st, err := at.status(cmd)
	if err != nil {
		fmt.Fprintln(w, "state\tnot known: no router of this configuration answers")
		return
	}
	for _, s := range st.Plugins {
		if s.Address != p.Address() {
			continue
		}
		fmt.Fprintf(w, "state\t%s, pid %s, started %s, %d restarts\n", s.State, pidOf(s), s.Started.Local().Format(time.DateTime), s.Restarts)
		fmt.Fprintf(w, "calls\t%d, %d failed, p99 %s, memory %s\n", s.Calls, s.Errors, tookOf(s), memory(s.Memory))
		fmt.Fprintf(w, "last error\t%s\n", lastError(s, time.Now()))
		return
	}
	fmt.Fprintln(w, "state\tthe running router does not use it")
}

// aboutConfig lists the attributes with their defaults. What the file sets is
// marked, and not shown: it may be a secret.
func aboutConfig(w io.Writer, p *config.Plugin, m sdk.Manifest) error {
	set := make(map[string]json.RawMessage)
	block, err := p.Decode(m.Fields)
	if err == nil {
		err = json.Unmarshal(block, &set)
	}
	if err != nil {
		return err
	}
	if len(m.Fields) == 0 {
		fmt.Fprintln(w, "config\tnone")
		return nil
	}
	fmt.Fprintln(w, "\nCONFIG\tTYPE\tDEFAULT\tSET\tWHAT")
	fieldRows(w, m.Fields, set, "")
	return nil
}

func fieldRows(w io.Writer, fields []sdk.Field, set map[string]json.RawMessage, indent string) {
	for _, f := range fields {
		value := dash(shownDefault(f))
		switch {
		case f.Required:
			value = "(required)"
		case f.Type == sdk.FieldBlock:
			value = "-"
		}
		is := "-"
		if _, ok := set[f.Name]; ok {
			is = "yes"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\n", indent, f.Name, f.Type, value, is, f.Doc)
		fieldRows(w, f.Fields, nil, indent+"  ")
	}
}

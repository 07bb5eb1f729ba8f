package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// errChanges is plan --detailed-exitcode where there are changes.
var errChanges = errors.New("there are changes")

func newPlan() *cobra.Command {
	var p place
	var detailed, asJSON bool
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what a reload of the running router would change",
		Long: "Show what a reload of the running router would change: its configuration file is compared with\n" +
			"what is at work. Nothing is changed. Secrets are shown as ***.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var out server.Plan
			err := p.ask(cmd, question{method: http.MethodGet, path: "/admin/plan", timeout: reloadTimeout}, &out)
			if errors.Is(err, errNotRunning) {
				return fmt.Errorf("%w: there is nothing to compare with; smartrouter validate checks a file by itself", err)
			}
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("config") && !sameFile(p.config, out.Path) {
				return fmt.Errorf("the running router has %s, not %s", out.Path, p.config)
			}
			if asJSON {
				if err := printJSON(cmd, out); err != nil {
					return err
				}
			} else {
				tellPlan(cmd.OutOrStdout(), &out)
			}
			if detailed && !out.Empty() {
				return exitCode{errChanges, 2}
			}
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 0 where nothing would change, 1 on an error, 2 where something would")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// sameFile compares two names of files, of which the router's may be relative to
// another folder.
func sameFile(ours, theirs string) bool {
	if a, err := filepath.Abs(ours); err == nil {
		ours = a
	}
	return ours == theirs
}

var signs = map[config.Action]string{config.Added: "+", config.Changed: "~", config.Removed: "-"}

func tellPlan(w io.Writer, p *server.Plan) {
	if p.Empty() {
		fmt.Fprintf(w, "nothing would change: %s is at work\n", p.Path)
	}
	count := map[config.Action]int{}
	for _, c := range p.Changes {
		count[c.Action]++
		fmt.Fprintf(w, "%s %s\n", signs[c.Action], c.Block)
		for _, f := range c.Fields {
			fmt.Fprintf(w, "    %s: %s\n", f.Name, changed(f))
		}
	}
	carried := 0
	for _, f := range p.Plugins {
		if f.Fate == catalog.Carried {
			carried++
			continue
		}
		fmt.Fprintf(w, "! %s %s: %s\n", f.Address, f.Fate, f.Why)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if !p.Empty() {
		fmt.Fprintf(w, "\n%d to add, %d to change, %d to remove; %d of the plugins carried over\n",
			count[config.Added], count[config.Changed], count[config.Removed], carried)
	}
}

func changed(f config.FieldChange) string {
	switch {
	case f.From == f.To:
		return f.To + " (changed)"
	case f.From == "":
		return "none -> " + f.To
	case f.To == "":
		return f.From + " -> none"
	}
	return f.From + " -> " + f.To
}

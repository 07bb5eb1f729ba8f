package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/catalog"
)

func newPluginList() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the plugin processes of the running router, and how they do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := p.status(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, st.Plugins)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			pluginList(t, st.Plugins, time.Now())
			return t.Flush()
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func pluginList(w io.Writer, plugins []catalog.Status, now time.Time) {
	fmt.Fprintln(w, "PLUGIN\tVERSION\tPID\tSTATE\tRESTARTS\tCALLS\tP99\tMEMORY\tLAST ERROR")
	for _, p := range plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", p.Address, p.Version, pidOf(p), p.State, p.Restarts, p.Calls,
			tookOf(p), memory(p.Memory), lastError(p, now))
	}
}

func pidOf(p catalog.Status) string {
	if p.PID == 0 {
		return "-"
	}
	return fmt.Sprint(p.PID)
}

func tookOf(p catalog.Status) string {
	if p.P99 == 0 {
		return "-"
	}
	return p.P99.Round(10 * time.Microsecond).String()
}

func memory(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// lastError is why it is not there now, else the last call that failed, else
// why its last process ended.
func lastError(p catalog.Status, now time.Time) string {
	switch {
	case p.State != catalog.Ready && p.LastExit != "":
		return oneLine(p.LastExit)
	case p.LastErrorAt != nil:
		return fmt.Sprintf("%s (%s ago)", oneLine(p.LastError), now.Sub(*p.LastErrorAt).Round(time.Second))
	case p.LastExit != "":
		return oneLine(p.LastExit)
	}
	return "-"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

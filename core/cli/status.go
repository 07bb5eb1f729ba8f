package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newStatus() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the channels and plugins of the running router", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			var st server.Status
			if err := admin(cmd, &p, cfg, http.MethodGet, "/admin/status", nil, &st); err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(st)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			channelTable(t, st.Channels, time.Now())
			fmt.Fprintln(t)
			pluginTable(t, st)
			fmt.Fprintln(t, "\nPIPELINE\tSTEP\tFRESH\tSTALE\tASKED\tFAILED")
			for _, pl := range st.Pipelines {
				for _, s := range pl.Steps {
					fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\n", pl.Name, s.Step, s.Fresh, s.Stale, s.Asked, s.Failed)
				}
			}
			return t.Flush()
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

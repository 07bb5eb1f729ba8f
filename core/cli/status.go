package cli

import (
	"fmt"
	"io"
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
			st, err := p.status(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, st)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			tellConfig(cmd.OutOrStdout(), &st.Config, time.Now())
			channelTable(t, st.Channels, time.Now())
			fmt.Fprintln(t)
			if f := st.Fleet; f != nil {
				fmt.Fprintln(t, "ROUTERS\tSHARES\tTOLD")
				fmt.Fprintf(t, "%d\t%s\t%s\n\n", f.Routers, shares(f), ago(f.Told, time.Now()))
			}
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

// shares says what becomes of shares of limits.
func shares(f *server.FleetStatus) string {
	if f.Settled {
		return "taken as needed"
	}
	return "kept as they are"
}

func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return now.Sub(*t).Round(100*time.Millisecond).String() + " ago"
}

// tellConfig says what configuration is at work, and what went wrong since.
func tellConfig(w io.Writer, c *server.ConfigStatus, now time.Time) {
	fmt.Fprintf(w, "%s, at work since %s\n", c.Path, clock(c.Since, now))
	if c.Last != nil && c.Last.Result == server.ReloadFailed {
		fmt.Fprintf(w, "the reload at %s failed, so the file is not what is at work:\n%s\n", clock(c.Last.At, now), c.Last.Error)
	}
	fmt.Fprintln(w)
}

package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/core/server"
)

func newServe() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the router in the foreground", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			// The process holds keys: no other process of the same user may
			// look into it.
			if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
				return fmt.Errorf("closing the process to others: %w", err)
			}
			ctx := cmd.Context()
			hangUps := make(chan os.Signal, 1) // from here on it does not end the process
			signal.Notify(hangUps, syscall.SIGHUP)
			defer signal.Stop(hangUps)
			out := newSink(cmd.ErrOrStderr())
			defer out.close()
			r, err := router.Open(ctx, router.Options{
				Config: cfg, DataDir: p.data, Self: self, Log: newLog(cfg.Log, out), Unlogged: out.dropped.Load,
				Version: version(),
			})
			if err != nil {
				return err
			}
			defer r.Close()
			go func() {
				for {
					select {
					case <-hangUps:
						_, _ = r.Reload(ctx) // which tells the log how it ended
					case <-ctx.Done():
						return
					}
				}
			}()
			return r.Serve(ctx, func(public, admin net.Addr) {
				collectEarly()
				dropUnused()
				summary(out, r.State().Status(), public, admin, p, cfg.Warnings)
			})
		},
	}
	p.flags(cmd)
	return cmd
}

// summary tells at the start what is there and where.
func summary(w io.Writer, st server.Status, public, admin net.Addr, p place, warnings config.Diagnostics) {
	fmt.Fprintf(w, "smartrouter %s with %s\n\n", version(), p.config)
	for _, warning := range warnings {
		fmt.Fprintf(w, "note: %s\n\n", warning)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	channels(t, st)
	fmt.Fprintln(t)
	pluginTable(t, st)
	t.Flush()
	fmt.Fprintf(w, "\n%d models at http://%s/v1\n", st.Models, public)
	if admin != nil {
		fmt.Fprintf(w, "metrics and status at http://%s with the token in %s/admin.token\n", admin, p.data)
	}
}

func channels(w io.Writer, st server.Status) {
	fmt.Fprintln(w, "CHANNEL\tPROVIDER\tSTATE\tMODELS\tWHY")
	for _, c := range st.Channels {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", c.Name, c.Provider, c.State, c.Models, c.Why)
	}
}

func pluginTable(w io.Writer, st server.Status) {
	fmt.Fprintln(w, "PLUGIN\tVERSION\tPID\tSTATE\tRESTARTS\tCALLS\tWHY")
	for _, p := range st.Plugins {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%s\n", p.Address, p.Version, p.PID, p.State, p.Restarts, p.Calls, p.LastExit)
	}
}

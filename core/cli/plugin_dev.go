package cli

import (
	"fmt"
	"net"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/dev"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPluginDev() *cobra.Command {
	var p place
	var reattach string
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run a router with the plugin in a folder; build it and swap it when you save, and show each call",
		Long: "Run a router with the plugin in a folder. When you save, it is built (Go) or taken as it is, and swapped:\n" +
			"no request is lost. One that does not build or start is told of, and the one before goes on.\n" +
			"Each call to it is shown with facts, answer, lease and time.\n\n" +
			"For a debugger, start the plugin yourself with " + sdk.DebugFlag + ", and give what it prints to --reattach:\n" +
			"the router then uses that process, waits as long as you do, and does not end it.",
		Example: "  smartrouter plugin dev mine\n" +
			"  dlv exec ./mine -- " + sdk.DebugFlag,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			project, err := dev.NewProject(dir)
			if err != nil {
				return err
			}
			if p.config == "" {
				p.config = filepath.Join(dir, "router.hcl")
			}
			if p.data == "" {
				p.data = filepath.Join(dir, "data")
			}
			out := newSink(cmd.ErrOrStderr())
			defer out.close()
			o := dev.Options{
				Project: project, Config: p.config, DataDir: p.data, Self: self, Version: version(), Out: out,
				Log: func(c config.Log) hclog.Logger { return newLog(c, out) },
				Ready: func(st server.Status, public, admin net.Addr, warnings config.Diagnostics) {
					summary(out, st, public, admin, p, warnings)
					fmt.Fprintln(out)
				},
			}
			if reattach != "" {
				at, err := sdk.ParseReattach(reattach)
				if err != nil {
					return err
				}
				o.Reattach = &at
			}
			return dev.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&p.config, "config", "", "the configuration `file`; DIR/router.hcl by default")
	cmd.Flags().StringVar(&p.data, "data-dir", "", "the `folder` of what outlives the router; DIR/data by default")
	cmd.Flags().StringVar(&reattach, "reattach", "", "use the `process` that the plugin printed when you started it with "+sdk.DebugFlag)
	return cmd
}

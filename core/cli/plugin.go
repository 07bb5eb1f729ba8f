package cli

import (
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/plugins"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "See the plugins"}
	cmd.AddCommand(newPluginList(), newPluginServe())
	return cmd
}

func newPluginList() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "list", Short: "List the plugin processes of the running router", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			var st server.Status
			if err := admin(cmd, &p, cfg, http.MethodGet, "/admin/status", nil, &st); err != nil {
				return err
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			pluginTable(t, st)
			return t.Flush()
		},
	}
	p.flags(cmd)
	return cmd
}

// newPluginServe is how the router starts a first-party plugin: itself again.
func newPluginServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve KIND/NAME", Short: "Serve a first-party plugin to a router", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			build, ok := plugins.Lookup(args[0])
			if !ok {
				return fmt.Errorf("there is no first-party plugin %q; there are %s", args[0], strings.Join(plugins.Names(), ", "))
			}
			sdk.Serve(build())
			return nil
		},
	}
}

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/plugins"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "See plugins, write your own, test and pin them"}
	cmd.AddCommand(newPluginNew(), newPluginProto(), newPluginDev(), newPluginTest(), newPluginList(), newPluginInfo(), newPluginDocs(),
		newPluginInstall(), newPluginVerify(), newPluginReload(), newPluginQuarantine(), newPluginUnquarantine(), newPluginServe())
	return cmd
}

// newPluginServe is how the router starts a first-party plugin, and its reaper
// and launcher: itself again.
func newPluginServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve KIND/NAME", Short: "Serve a first-party plugin to a router", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case catalog.ReaperRole:
				catalog.Reap(cmd.InOrStdin())
				return nil
			case catalog.LauncherRole:
				return catalog.Launch()
			}
			build, ok := plugins.Lookup(args[0])
			if !ok {
				return fmt.Errorf("there is no first-party plugin %q; there are %s", args[0], strings.Join(plugins.Names(), ", "))
			}
			stayLean()
			dropUnused()
			sdk.Serve(build())
			return nil
		},
	}
}

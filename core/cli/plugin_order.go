package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/server"
)

const pluginName = "NAME is its address, such as plugin.selector.mine, or as much of its end as names only one."

func newPluginReload() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "reload NAME", Short: "Start a plugin of the running router anew, with the program that is on disk now",
		Long: "Start a plugin of the running router anew, with the program that is on disk now. The new process is\n" +
			"checked beside the old one, which ends after its last call; where it fails, the old one stays.\n" + pluginName,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := p.order(cmd, "reload", server.PluginOrder{Plugin: args[0]})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s runs as process %d\n", out.Plugin.Address, out.Plugin.Version, out.Plugin.PID)
			}
			return err
		},
	}
	p.flags(cmd)
	return cmd
}

func newPluginQuarantine() *cobra.Command {
	var p place
	var reason string
	cmd := &cobra.Command{
		Use: "quarantine NAME", Short: "Take a plugin of the running router out of service; its steps go on by their on_error",
		Long: "Take a plugin of the running router out of service, until unquarantine or a restart of the router.\n" +
			"Its process ends after its last call, and its steps go on by their on_error.\n" + pluginName,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := p.order(cmd, "quarantine", server.PluginOrder{Plugin: args[0], Reason: reason})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is out of service\n", out.Plugin.Address)
			}
			return err
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "for people, in lists and logs")
	return cmd
}

func newPluginUnquarantine() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "unquarantine NAME", Short: "Put a plugin back to service, be it out by hand or for its crashes",
		Long: "Put a plugin back to service, be it out by hand or for its crashes.\n" + pluginName,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := p.order(cmd, "unquarantine", server.PluginOrder{Plugin: args[0]})
			switch {
			case err != nil:
				return err
			case !out.Lifted:
				fmt.Fprintf(cmd.OutOrStdout(), "%s was not out of service\n", out.Plugin.Address)
				return nil
			}
			st, err := p.settled(cmd, out.Plugin)
			if err != nil {
				return err
			}
			if st.State != catalog.Ready {
				return fmt.Errorf("%s is %s: %s", st.Address, st.State, st.LastExit)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", st.Address, st.State)
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

// order has the running router do something about a plugin.
func (p *place) order(cmd *cobra.Command, what string, q server.PluginOrder) (out server.PluginAnswer, err error) {
	return out, p.ask(cmd, question{method: http.MethodPost, path: "/admin/plugin/" + what, body: q, timeout: reloadTimeout}, &out)
}

// settleTime is how long a plugin that starts is waited for, and settlePoll how
// often it is looked.
const (
	settleTime = 10 * time.Second
	settlePoll = 50 * time.Millisecond
)

// settled is how a plugin does that was just started.
func (p *place) settled(cmd *cobra.Command, st catalog.Status) (catalog.Status, error) {
	for until := time.Now().Add(settleTime); st.State != catalog.Ready && time.Now().Before(until); {
		time.Sleep(settlePoll)
		all, err := p.status(cmd)
		if err != nil {
			return st, err
		}
		for _, now := range all.Plugins {
			if now.Address == st.Address {
				st = now
			}
		}
	}
	return st, nil
}

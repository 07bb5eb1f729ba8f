package cli

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newReload() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "reload", Short: "Have the running router go over to what its configuration file says now",
		Long: "Have the running router read its configuration file again and go over to what that says.\n" +
			"Requests under way are not touched. Where something is wrong with the file or with a plugin,\n" +
			"it is told here, nothing has changed, and the command fails. SIGHUP does the same.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var out server.Reload
			err := p.ask(cmd, question{method: http.MethodPost, path: "/admin/reload", timeout: reloadTimeout}, &out)
			if errors.Is(err, errNotRunning) {
				return fmt.Errorf("%w: there is nothing to reload", err)
			}
			if err != nil {
				return err
			}
			for _, n := range out.Notes {
				fmt.Fprintf(cmd.OutOrStdout(), "note: %s\n", n)
			}
			switch took := out.Took.Round(time.Millisecond); out.Result {
			case server.ReloadUnchanged:
				fmt.Fprintln(cmd.OutOrStdout(), "nothing has changed")
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "reloaded in %s\n", took)
			}
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

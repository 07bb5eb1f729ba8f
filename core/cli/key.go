package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newKey() *cobra.Command {
	return &cobra.Command{
		Use: "key NAME", Short: "Make an API key for a caller, and the block that lets it in on every router", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, digest := server.NewKey()
			fmt.Fprintf(cmd.OutOrStdout(), "# The key, shown only now: %s\nkey %s {\n  digest = %q\n}\n", key, quote(args[0]), digest)
			return nil
		},
	}
}

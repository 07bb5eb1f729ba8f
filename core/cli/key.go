package cli

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/router"
)

// keyBytes of randomness in a new API key.
const keyBytes = 32

func newKey() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "key NAME", Short: "Make an API key for a caller, and the block that lets it in", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := make([]byte, keyBytes)
			rand.Read(b) // never fails
			key := "sr-" + base64.RawURLEncoding.EncodeToString(b)
			digest, err := router.Digest(p.data, key)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "# The key, shown only now: %s\nkey %s {\n  digest = %q\n}\n", key, quote(args[0]), digest)
			return nil
		},
	}
	cmd.Flags().StringVar(&p.data, "data-dir", "data", "the `folder` of what outlives the router")
	return cmd
}

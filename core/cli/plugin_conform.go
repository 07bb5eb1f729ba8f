package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/conform"
)

func newPluginTest() *cobra.Command {
	c := &conformer{}
	cmd := &cobra.Command{
		Use: "test [FLAGS] FOLDER|PROGRAM [ARG ...]", Short: "Check any plugin against the contract",
		Long: "Check a plugin against the contract, as a router would use it and as nobody should.\n" +
			"A folder with Go source is built, and one of plugin new --lang node has its program in it; any other\n" +
			"program is run as it is, in whatever language.\n" +
			"The exit code is 0 where all checks pass. Notes fail nothing.",
		Example: "  smartrouter plugin test ./mine\n  smartrouter plugin test --config mine.hcl node mine/plugin.mjs",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd, args)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the program is its own
	cmd.Flags().StringVar(&c.config, "config", "", "a `file` with what stands in its config block")
	cmd.Flags().StringArrayVar(&c.env, "env", nil, "a variable of its environment, as `NAME=value`; may be repeated")
	cmd.Flags().IntVar(&c.calls, "calls", conform.Calls, "how many `calls` are made to find leaks")
	cmd.Flags().IntVar(&c.slack, "slack", 1, "how many `times` as long as with a router anything may take, on a machine that is busy")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// conformer is the command with its flags.
type conformer struct {
	config string
	env    []string
	calls  int
	slack  int
	asJSON bool
}

func (c *conformer) run(cmd *cobra.Command, args []string) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if c.calls < 1 {
		return fmt.Errorf("--calls must be above zero, and is %d", c.calls)
	}
	if c.slack < 1 {
		return fmt.Errorf("--slack must be above zero, and is %d", c.slack)
	}
	tmp, err := os.MkdirTemp("", "smartrouter-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	target := conform.Target{Env: c.env}
	if target.Command, err = runnable(ctx, args, tmp); err != nil {
		return err
	}
	if c.config != "" {
		target.Block = func(m sdk.Manifest) (conform.Block, error) {
			return config.ReadBlock(c.config, m.Kinds[0], m.Name)
		}
	}
	options := conform.Options{Calls: c.calls, Slack: c.slack}
	if !c.asJSON {
		options.Tell = func(r conform.Result) { fmt.Fprintln(out, r) }
	}
	report, err := conform.Run(ctx, target, options)
	if err != nil {
		return err
	}
	if c.asJSON {
		err = report.WriteJSON(out)
	} else {
		fmt.Fprintf(out, "\n%s\n", report.Summary())
	}
	if report.Failed > 0 {
		return alreadyTold{fmt.Errorf("%d checks failed", report.Failed)}
	}
	return err
}

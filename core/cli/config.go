package cli

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
)

func newValidate() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration, the plugins' config blocks included", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			// A plugin owns the schema of its config block: only it can check that.
			if err := router.Check(cmd.Context(), cfg, self, newLog(cfg.Log, cmd.ErrOrStderr())); err != nil {
				return err
			}
			for _, warning := range cfg.Warnings {
				fmt.Fprintf(cmd.OutOrStdout(), "note: %s\n", warning)
			}
			off := 0
			for _, c := range cfg.Channels {
				if c.Off != "" {
					off++
					fmt.Fprintf(cmd.OutOrStdout(), "channel %s is off: %s\n", c.Name, c.Off)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d channels (%d off), %d plugins, %d pipelines\n",
				p.config, len(cfg.Channels), off, len(cfg.Plugins), len(cfg.Pipelines))
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

func newFmt() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "fmt [FILE ...]", Short: "Format configuration files in place; - is standard input",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"router.hcl"}
			}
			changed := 0
			for _, name := range args {
				src, err := input(cmd, name)
				if err != nil {
					return err
				}
				out, err := config.Format(src)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				switch {
				case name == "-":
					if _, err := cmd.OutOrStdout().Write(out); err != nil {
						return err
					}
				case bytes.Equal(src, out):
				case check:
					changed++
					fmt.Fprintln(cmd.OutOrStdout(), name)
				default:
					if err := replace(name, out); err != nil {
						return err
					}
					fmt.Fprintln(cmd.OutOrStdout(), name)
				}
			}
			if changed > 0 {
				return fmt.Errorf("%d files are not formatted; run smartrouter fmt", changed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; name the files that are not formatted and fail")
	return cmd
}

// replace swaps a file's contents, whole or not at all.
func replace(name string, content []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

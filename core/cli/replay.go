package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/replay"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// replayTimeout of a call to a selector: ample, as its time is told anyway.
const replayTimeout = time.Second

func newReplay() *cobra.Command {
	var p place
	var r replaying
	cmd := &cobra.Command{
		Use:   "replay FILE.jsonl ...",
		Short: "Ask another selector, or another configuration, what it would have chosen for recorded decisions",
		Long: "Ask another selector, or another configuration, what it would have chosen for recorded decisions,\n" +
			"and tell what would change. The plugin is a real process; nothing is sent to a model.\n\n" +
			"With --selector the candidates are those of the records. With --config they are the channels of\n" +
			"that file, each as it did in the record, and its pipelines' selectors are asked unless --selector\n" +
			"names another one. Limits make it a gate: over one of them the exit code is 1.",
		Example: "  smartrouter replay decisions.jsonl --selector ./mine\n" +
			"  smartrouter replay decisions.jsonl --selector plugin.selector.next --max-different 10%\n" +
			"  smartrouter replay decisions.jsonl --config next.hcl --max-cost +5% --max-failed 0",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.run(cmd, &p, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.config, "config", "router.hcl", "the `file` whose channels and selectors are asked about; without it only the block of --selector is read")
	f.StringVar(&r.selector, "selector", "", "a `plugin` such as plugin.selector.smart, or a folder or command of your own")
	f.DurationVar(&r.timeout, "timeout", replayTimeout, "of a call to the selector")
	f.BoolVar(&r.asJSON, "json", false, "print JSON")
	f.StringVar(&r.gate.Different, "max-different", "", "the `most` requests that may go to another target first, such as 10% or 0")
	f.StringVar(&r.gate.Order, "max-other-plans", "", "the `most` plans that may differ at all")
	f.StringVar(&r.gate.Cost, "max-cost", "", "how much `more` it may cost, such as +5%")
	f.StringVar(&r.gate.TTFT, "max-ttft", "", "how much `longer` the first token may take, such as +10%")
	f.StringVar(&r.gate.Failed, "max-failed", "", "the `most` requests that may fail and did not before, such as 0")
	f.StringVar(&r.gate.Errors, "max-errors", "", "the `most` errors of the plugin")
	f.StringVar(&r.gate.BadLines, "max-bad-lines", "", "the `most` lines that may be no records")
	return cmd
}

// replaying is the command with its flags.
type replaying struct {
	selector string
	timeout  time.Duration
	asJSON   bool
	gate     replay.Gate
}

func (r *replaying) run(cmd *cobra.Command, p *place, files []string) error {
	if err := r.gate.Check(); err != nil {
		return err
	}
	whole := cmd.Flags().Changed("config")
	if r.selector == "" && !whole {
		return errors.New("name a --selector, or a --config")
	}
	o := replay.Options{
		Timeout: r.timeout, Self: self, Log: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: cmd.ErrOrStderr()}),
	}
	referred := strings.HasPrefix(r.selector, "plugin.")
	if whole || referred {
		cfg, err := p.load()
		if err != nil {
			return err
		}
		if whole {
			o.Config = cfg
		}
		if referred {
			if o.Selector = cfg.Plugin(r.selector); o.Selector == nil || o.Selector.Kind != sdk.KindSelector {
				return fmt.Errorf("%s declares no selector %s", p.config, r.selector)
			}
		}
	}
	if r.selector != "" && !referred {
		tmp, err := os.MkdirTemp("", "smartrouter-replay-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		words := []string{r.selector}
		if _, err := os.Stat(r.selector); err != nil {
			words = strings.Fields(r.selector)
		}
		command, err := runnable(cmd.Context(), words, tmp)
		if err != nil {
			return err
		}
		mine := config.Defaults.Plugin
		mine.Kind, mine.Name, mine.Command = sdk.KindSelector, "replayed", command
		o.Selector = &mine
	}
	report, err := replay.Run(cmd.Context(), o, files)
	if err != nil {
		return err
	}
	over := r.gate.Judge(report)
	if r.asJSON {
		err = printJSON(cmd, struct {
			*replay.Report
			Over []string `json:"over"`
		}{report, append([]string{}, over...)})
	} else {
		report.Tell(cmd.OutOrStdout())
	}
	for _, o := range over {
		fmt.Fprintln(cmd.ErrOrStderr(), "over the limit:", o)
	}
	if len(over) > 0 && err == nil {
		err = alreadyTold{fmt.Errorf("%d limits", len(over))}
	}
	return err
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newBan() *cobra.Command {
	var p place
	var d time.Duration
	var reason string
	cmd := &cobra.Command{
		Use: "ban CHANNEL[/MODEL]", Short: "Take a channel, or one model on it, out of the running router",
		Long: "Take a channel, or one model on it, out of the running router: at once, and over its restarts.\n" +
			"What is banned already is banned anew, so this extends and shortens bans too.",
		Example: "  smartrouter ban openai --for 10m --reason maintenance\n  smartrouter ban openrouter/openai/gpt-4o",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := banRequest(args[0])
			q.Reason = reason
			if cmd.Flags().Changed("for") {
				q.For = d.String()
			}
			out, err := askBan(cmd, &p, "/admin/ban", q)
			if err != nil {
				return err
			}
			until := "until it is lifted"
			if out.Ban.Until != nil {
				until = "until " + clock(*out.Ban.Until, time.Now())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is banned %s: %s\n", args[0], until, out.Ban.Reason)
			notKept(cmd.OutOrStdout(), out)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().DurationVar(&d, "for", 0, "how long, such as 10m (default: until it is lifted)")
	cmd.Flags().StringVar(&reason, "reason", "", "for people, in lists and logs")
	return cmd
}

func newUnban() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "unban CHANNEL[/MODEL]", Short: "Lift a ban, be it by hand or for failures; of a channel, those of its models too",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := askBan(cmd, &p, "/admin/unban", banRequest(args[0]))
			if err != nil {
				return err
			}
			switch out.Lifted {
			case 0:
				fmt.Fprintf(cmd.OutOrStdout(), "%s was not banned\n", args[0])
			case 1:
				fmt.Fprintf(cmd.OutOrStdout(), "%s: 1 ban lifted\n", args[0])
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bans lifted\n", args[0], out.Lifted)
			}
			notKept(cmd.OutOrStdout(), out)
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

// banRequest reads CHANNEL[/MODEL]. Channels' names have no slash, models' may.
func banRequest(arg string) server.BanRequest {
	channel, model, _ := strings.Cut(arg, "/")
	return server.BanRequest{Channel: channel, Model: model}
}

func askBan(cmd *cobra.Command, p *place, path string, q server.BanRequest) (out server.BanAnswer, err error) {
	if err := p.ask(cmd, question{method: http.MethodPost, path: path, body: q}, &out); errors.Is(err, errNotRunning) {
		return out, fmt.Errorf("%w: bans are the running router's", err)
	} else if err != nil {
		return out, err
	}
	return out, nil
}

func notKept(w io.Writer, out server.BanAnswer) {
	if !out.Kept {
		fmt.Fprintln(w, "note: the store has not taken it yet, so a restart of the router could forget it")
	}
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newChannels() *cobra.Command {
	c := &channelLister{}
	cmd := &cobra.Command{
		Use: "channels", Short: "Show how every channel of the running router does, and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.every <= 0 {
				return fmt.Errorf("--interval must be above zero, and is %s", c.every)
			}
			if c.watch {
				return c.keep(cmd)
			}
			return c.print(cmd, cmd.OutOrStdout())
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&c.models, "models", false, "list what is banned, channels and models, with why and until when")
	cmd.Flags().BoolVar(&c.limits, "limits", false, "list the limits of the channels, and this router's share of them")
	cmd.Flags().BoolVar(&c.watch, "watch", false, "keep the list live until ctrl-c")
	cmd.Flags().DurationVar(&c.every, "interval", time.Second, "how often to look, with --watch")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

// channelLister is the command with its flags.
type channelLister struct {
	place
	models, limits, watch, asJSON bool
	every                         time.Duration
}

// print asks once.
func (c *channelLister) print(cmd *cobra.Command, w io.Writer) error {
	var out server.Channels
	if err := c.ask(cmd, question{method: http.MethodGet, path: "/admin/channels"}, &out); err != nil {
		return err
	}
	if c.asJSON {
		enc := json.NewEncoder(w)
		if !c.watch { // one line per look
			enc.SetIndent("", "  ")
		}
		return enc.Encode(out)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch {
	case c.models:
		banTable(t, out.Channels, out.Now)
	case c.limits:
		limitTable(t, out.Channels)
	default:
		channelTable(t, out.Channels, out.Now)
	}
	return t.Flush()
}

// keep asks until ctrl-c. In a terminal each list replaces the last one;
// elsewhere they follow each other. A router that does not answer is waited
// for: a restart is no reason to end.
func (c *channelLister) keep(cmd *cobra.Command) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		var page bytes.Buffer
		if err := c.print(cmd, &page); err != nil && ctx.Err() == nil {
			fmt.Fprintf(&page, "%s  %s\n", time.Now().Format(time.TimeOnly), err)
		}
		if ctx.Err() != nil {
			return nil
		}
		text := page.String()
		if rows, columns, ok := terminal(out); ok && !c.asJSON {
			text = redraw(text, rows, columns)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return nil // whoever read it has gone
		}
		if !wait(ctx, tick.C) {
			return nil
		}
	}
}

// wait is false where ctx ended first.
func wait(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-ctx.Done():
		return false
	}
}

// terminal is the size of the one that w writes to; not ok: it is none.
func terminal(w io.Writer) (rows, columns int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Row), int(size.Col), true
}

const (
	home      = "\x1b[H"  // to the first line
	eraseLine = "\x1b[K"  // to its end
	eraseRest = "\x1b[0J" // of the screen
)

// redraw overwrites what the terminal shows, without a flicker. Lines are cut
// to its width, and those that do not fit below it are left out; a size of 0
// is not known.
func redraw(text string, rows, columns int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if rows > 0 && len(lines) >= rows {
		shown := max(0, rows-2) // one line is for this, and one for the cursor
		lines = append(lines[:shown], fmt.Sprintf("... and %d more", len(lines)-shown))
	}
	var b strings.Builder
	b.WriteString(home)
	for _, line := range lines {
		if columns > 0 && utf8.RuneCountInString(line) > columns {
			line = string([]rune(line)[:columns])
		}
		b.WriteString(line + eraseLine + "\r\n")
	}
	b.WriteString(eraseRest)
	return b.String()
}

func channelTable(w io.Writer, channels []server.ChannelStatus, now time.Time) {
	fmt.Fprintln(w, "CHANNEL\tPROVIDER\tSTATE\tUNTIL\tKEY\tMODELS\tBUSY\tQUEUED\tLATENCY\tERRORS\tNEXT PROBE\tWHY")
	for _, c := range channels {
		until := ""
		if c.State == "banned" {
			until = clockOr(c.Until, now, "lifted")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n",
			c.Name, c.Provider, c.State, dash(until), c.Key, c.Models, c.InFlight, c.Queued,
			latency(c.LatencyMS), percent(c), in(c.NextProbe, now), c.Why)
	}
}

func banTable(w io.Writer, channels []server.ChannelStatus, now time.Time) {
	fmt.Fprintln(w, "CHANNEL\tMODEL\tCLASS\tUNTIL\tTRIAL\tTIMES\tWHY")
	for _, c := range channels {
		for _, b := range c.Bans {
			model := b.Model
			if model == "" {
				model = "(all)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n",
				c.Name, model, b.Class, clockOr(b.Until, now, "lifted"), in(b.Trial, now), b.Times, b.Reason)
		}
	}
}

func limitTable(w io.Writer, channels []server.ChannelStatus) {
	fmt.Fprintln(w, "CHANNEL\tLIMIT\tOF ALL\tSHARE\tUSED")
	for _, c := range channels {
		for _, l := range c.Limits {
			share := "all"
			if l.Share != nil {
				share = strconv.FormatInt(*l.Share, 10)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\n", c.Name, l.Limit, l.Most, share, l.Used)
		}
	}
}

// clock is a time of today as such, and any other with its date.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

func clockOr(t *time.Time, now time.Time, or string) string {
	if t == nil {
		return or
	}
	return clock(*t, now)
}

// in is how long it is until then.
func in(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	if d := t.Sub(now).Round(time.Second); d > 0 {
		return d.String()
	}
	return "now"
}

func latency(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}

func percent(c server.ChannelStatus) string {
	if c.LatencyMS == 0 && c.ErrorRate == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*c.ErrorRate, 'f', 0, 64) + "%"
}

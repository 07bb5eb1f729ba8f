package cli

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newStats() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "stats", Short: "Show requests, percentiles, tokens and costs by channel and model", Args: cobra.NoArgs,
		Long: "Show requests, percentiles, tokens and costs by channel and model.\n" +
			"Counts are since the router's start, percentiles of the last 10 to 20 minutes.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var st server.Stats
			if err := p.ask(cmd, question{method: http.MethodGet, path: "/admin/stats"}, &st); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, st)
			}
			statsTables(cmd.OutOrStdout(), &st)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statsTables prints one table for each question.
func statsTables(out io.Writer, st *server.Stats) {
	fmt.Fprintf(out, "since %s: %d requests, %d failed, %d in flight\n", st.Since.Format(time.DateTime), st.Total.Requests, st.Total.Failed, st.InFlight)
	fmt.Fprintf(out, "first try %s, retries %s, failed first tries made up for %s, cache hits %s\n\n",
		rate(st.Total.First), rate(st.Total.Retries), rate(st.Recoveries), rate(st.Cache))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANNEL\tMODEL\tREQUESTS\tFAILED\tFIRST TRY\tRETRIES\tP50\tP90\tP95\tP99\tTTFT P50\tP90\tP95\tP99\tTOKENS/S P50")
	each(st, func(s *server.PairStats) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", dash(s.Channel), dash(s.Model), s.Requests, s.Failed,
			rate(s.First), rate(s.Retries), seconds(s.Duration), seconds(s.TTFT), speed(s.TokensPerSecond))
	})
	fmt.Fprintln(w, "\nCHANNEL\tMODEL\tINPUT\tCACHED\tOUTPUT\tREASONING\tCOST\tUNPRICED\tWITHOUT USAGE\tESTIMATED")
	each(st, func(s *server.PairStats) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t$%.4f\t%d\t%d\t%d\n", dash(s.Channel), dash(s.Model),
			s.Tokens.Input, s.Tokens.Cached, s.Tokens.Output, s.Tokens.Reasoning, s.Cost, s.Unpriced, s.WithoutUsage, s.Estimated)
	})
	fmt.Fprintln(w, "\nCHANNEL\tIN FLIGHT\tMOST\tQUEUED\tQUEUE WAIT P50\tP90\tP95\tP99")
	for _, c := range st.Channels {
		most := "-"
		if c.Most > 0 {
			most = strconv.Itoa(c.Most)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", c.Name, c.InFlight, most, c.Queued, seconds(c.QueueWait))
	}
	sideTables(w, st)
	w.Flush()
	disagreements(out, st.Shadows)
}

// sideTables tell of canaries and shadows, where there are any.
func sideTables(w io.Writer, st *server.Stats) {
	if len(st.Sides) > 0 {
		fmt.Fprintln(w, "\nPIPELINE\tSTEP\tDECIDED BY\tREQUESTS\tFAILED\tTTFT P50\tP90\tP95\tP99\tCOST")
	}
	for _, s := range st.Sides {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t$%.4f\n", s.Pipeline, s.Step, s.Side, s.Requests, s.Failed, seconds(s.TTFT), s.Cost)
	}
	if len(st.Shadows) > 0 {
		fmt.Fprintln(w, "\nPIPELINE\tSTEP\tSHADOW\tSAME\tOTHER ORDER\tOTHER FIRST\tOF REQUESTS\tFAILED\tDROPPED")
	}
	for _, s := range st.Shadows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%.1f%%\t%d\t%d\n", s.Pipeline, s.Step, s.Plugin, s.Same, s.Order, s.First, 100*s.Apart, s.Failed, s.Dropped)
	}
}

// disagreements are the last requests that shadows would have sent elsewhere.
func disagreements(out io.Writer, shadows []server.ShadowStats) {
	for _, s := range shadows {
		for _, d := range s.Recent {
			fmt.Fprintf(out, "%s %s: %s went to %s, and would go to %s by %s", d.At.Format(time.TimeOnly), d.Result, d.Model, d.Chosen, d.Shadow, s.Plugin)
			if d.Why != "" {
				fmt.Fprintf(out, ": %s", d.Why)
			}
			fmt.Fprintln(out)
		}
	}
}

// each gives every pair a row, and the sum the last one.
func each(st *server.Stats, row func(*server.PairStats)) {
	for i := range st.Pairs {
		row(&st.Pairs[i])
	}
	total := st.Total
	total.Channel, total.Model = "all", ""
	row(&total)
}

// rate is a share of many.
func rate(r server.Rate) string {
	share, ok := r.Share()
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.1f%% of %d", 100*share, r.OK+r.Failed)
}

// seconds are four columns, as people read them.
func seconds(p *server.Percentiles) string {
	if p == nil {
		return strings.Repeat("-\t", 3) + "-"
	}
	columns := make([]string, 0, 4)
	for _, v := range []float64{p.P50, p.P90, p.P95, p.P99} {
		columns = append(columns, took(v))
	}
	return strings.Join(columns, "\t")
}

// took is a time with three digits.
func took(seconds float64) string {
	unit, v := "s", seconds
	if seconds < 1 {
		unit, v = "ms", seconds*1000
	}
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64) + unit
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + unit
}

func speed(p *server.Percentiles) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", p.P50)
}

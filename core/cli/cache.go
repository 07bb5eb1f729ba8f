package cli

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/server"
)

func newCache() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Look at what the router remembers"}
	cmd.AddCommand(newCacheStats())
	return cmd
}

func newCacheStats() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "stats", Short: "Show hits, misses, evictions and ages of all that is remembered, by kind", Args: cobra.NoArgs,
		Long: "Show hits, misses, evictions and ages of all that is remembered, by kind.\n" +
			"Counts of kinds are since the router's start, those of a store since it was made.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var st server.Stats
			if err := p.ask(cmd, question{method: http.MethodGet, path: "/admin/stats"}, &st); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, st.Caches)
			}
			cacheTables(cmd.OutOrStdout(), &st.Caches)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func cacheTables(out io.Writer, c *server.CacheStats) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tENTRIES\tHITS\tSTALE HITS\tMISSES\tHIT RATE\tEVICTED\tOLDEST\tNEWEST")
	for _, k := range c.Kinds {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\n", k.Kind, k.Entries, k.Hits, k.StaleHits, k.Misses,
			share(k.Hits+k.StaleHits, k.Misses), k.Evicted, ages(k.Ages))
	}
	w.Flush()
	for _, s := range c.Stores {
		fmt.Fprintf(out, "\n%s\n", s.Plugin)
		if s.Error != "" {
			fmt.Fprintf(out, "gives no figures: %s\n", s.Error)
			continue
		}
		if s.SetAside > 0 {
			fmt.Fprintf(out, "damaged stores that were set aside, until somebody removes them: %d\n", s.SetAside)
		}
		fmt.Fprintln(w, "NAMESPACE\tENTRIES\tBYTES\tHITS\tMISSES\tHIT RATE\tWRITES\tEXPIRED\tEVICTED\tOLDEST\tNEWEST")
		for _, n := range s.Namespaces {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%s\n", n.Namespace, n.Entries, n.Bytes, n.Hits, n.Misses,
				share(n.Hits, n.Misses), n.Puts, n.Expired, n.Evicted, ages(n.Ages))
		}
		w.Flush()
	}
}

// share is the part of looks that found something.
func share(found, missed int64) string {
	if found+missed == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(found)/float64(found+missed))
}

// ages are two columns.
func ages(a server.Ages) string {
	age := func(seconds *float64) string {
		if seconds == nil {
			return "-"
		}
		d := time.Duration(*seconds * float64(time.Second))
		if d < time.Minute {
			return d.Round(100 * time.Millisecond).String()
		}
		return d.Round(time.Second).String()
	}
	return age(a.Oldest) + "\t" + age(a.Newest)
}

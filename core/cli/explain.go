package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/core/server"
)

func newExplain() *cobra.Command {
	var p place
	var path, model string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [REQUEST.json | -]",
		Short: "Dry run of a request: each step, its answer, its lease, its cost; no model is called",
		Example: "  smartrouter explain --model demo\n" +
			"  echo '{\"model\":\"demo\",\"messages\":[]}' | smartrouter explain -",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := []byte(`{"model":` + quote(model) + `,"messages":[{"role":"user","content":"Hello"}]}`)
			if len(args) == 1 {
				var err error
				if body, err = input(cmd, args[0]); err != nil {
					return err
				}
			} else if model == "" {
				return errors.New("name a request file, or --model NAME for a short chat request")
			}
			out, err := explain(cmd, &p, path, body)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, out)
			}
			tell(cmd.OutOrStdout(), out)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&path, "path", "/v1/chat/completions", "the URL path that the request would go to")
	cmd.Flags().StringVar(&model, "model", "", "explain a short chat request for this `model`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explain asks the running router, which knows how its channels do; where none
// runs, the configuration is opened for this one question.
func explain(cmd *cobra.Command, p *place, path string, body []byte) (*server.Explanation, error) {
	out := new(server.Explanation)
	err := p.ask(cmd, question{method: http.MethodPost, path: "/admin/explain?path=" + url.QueryEscape(path), body: body}, out)
	if err == nil {
		return out, nil
	}
	if !errors.Is(err, errNotRunning) {
		return nil, err
	}
	cfg, err := p.load()
	if err != nil {
		return nil, err
	}
	r, err := router.Open(cmd.Context(), router.Options{
		Config: cfg, DataDir: p.data, Self: self, Log: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: cmd.ErrOrStderr()}),
	})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	header := http.Header{"Content-Type": {"application/json"}}
	out, werr := r.State().Explain(cmd.Context(), path, header, body)
	if werr != nil {
		return nil, werr
	}
	return out, nil
}

func tell(w io.Writer, e *server.Explanation) {
	fmt.Fprintf(w, "POST %s for model %q through pipeline %q\n", e.Path, e.Model, e.Pipeline)
	for i, s := range e.Steps {
		fmt.Fprintf(w, "\n%d. %s (%s)  %s  %s\n", i+1, s.Step, s.Kind, s.Plugin, s.Took.Round(time.Microsecond/10))
		for _, line := range s.Answer {
			fmt.Fprintf(w, "     %s\n", line)
		}
		if s.Lease != "" {
			fmt.Fprintf(w, "     lease: %s\n", s.Lease)
		}
	}
	fmt.Fprintf(w, "\n%s, decided in %s\n", e.Verdict, e.Took.Round(time.Microsecond/10))
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

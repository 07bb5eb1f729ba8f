package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/batch"
)

func newBatch() *cobra.Command {
	cmd := &cobra.Command{Use: "batch", Short: "Have a running router work off files of requests", Args: cobra.NoArgs}
	cmd.AddCommand(newBatchRun())
	return cmd
}

// keyVariable has the caller's key where no flag gives it.
const keyVariable = "SMARTROUTER_API_KEY"

// batchRun is one run of a file.
type batchRun struct {
	config, base, key     string
	endpoint, window      string
	input, output, errors string
	every                 time.Duration

	client http.Client
	show   *progress
}

func newBatchRun() *cobra.Command {
	r := &batchRun{}
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Send a JSONL file of requests as a batch, watch it, and fetch what it answered",
		Long: "Sends a file of requests to the running router, one JSON object in each line as OpenAI's Batch API has them,\n" +
			"and shows how far it is. Answers go to FILE with .out.jsonl in the place of its ending, requests that failed\n" +
			"to one with .errors.jsonl. Ctrl-c cancels: requests under way may finish, and what is done is fetched.",
		Example: "  smartrouter batch run requests.jsonl\n" +
			"  smartrouter batch run requests.jsonl --base-url https://llm.example.com/v1 --out answers.jsonl",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.input = args[0]
			r.show = newProgress(cmd.ErrOrStderr())
			return r.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.config, "config", "router.hcl", "the configuration `file`, which says where the router is")
	f.StringVar(&r.base, "base-url", "", "the router's base `URL`, such as http://127.0.0.1:7601/v1; the configuration is not read then")
	f.StringVar(&r.key, "api-key", "", "the caller's `key`; other users of this machine can see it here, but not in $"+keyVariable)
	f.StringVar(&r.endpoint, "endpoint", "", "the endpoint of all requests; that of the first one if left out")
	f.StringVar(&r.window, "window", "24h", "when the batch ends at the latest, with what it has")
	f.StringVar(&r.output, "out", "", "the `file` for the answers")
	f.DurationVar(&r.every, "every", 500*time.Millisecond, "how often the router is asked how far it is")
	return cmd
}

func (r *batchRun) run(ctx context.Context, out io.Writer) error {
	if err := r.prepare(); err != nil {
		return err
	}
	// What has been begun is ended politely also after ctrl-c.
	polite := context.WithoutCancel(ctx)
	id, err := r.upload(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	b, err := r.create(ctx, id)
	if err != nil {
		return err
	}
	if b, err = r.watch(ctx, polite, b); err != nil {
		return fmt.Errorf("batch %s: %w", b.ID, err)
	}
	r.show.end()
	if b.Errors != nil {
		for _, e := range b.Errors.Data {
			fmt.Fprintf(out, "%s:%d: %s\n", r.input, e.Line, strings.TrimPrefix(e.Param+": "+e.Message, ": "))
		}
	}
	counts := b.RequestCounts
	fmt.Fprintf(out, "%s: %s, %s completed, %s failed, in %s\n", b.ID, b.Status, thousands(counts.Completed), thousands(counts.Failed),
		time.Since(begun).Round(100*time.Millisecond))
	for _, f := range []struct {
		id         *string
		what, path string
	}{{b.OutputFileID, "output", r.output}, {b.ErrorFileID, "errors", r.errors}} {
		if f.id == nil {
			continue
		}
		if err := r.fetch(polite, *f.id, f.path); err != nil {
			return fmt.Errorf("%s: file %s: %w", f.what, *f.id, err)
		}
		fmt.Fprintf(out, "%s: %s\n", f.what, f.path)
	}
	switch {
	case b.Status != batch.Completed:
		return fmt.Errorf("the batch is %s", b.Status)
	case counts.Failed > 0:
		return fmt.Errorf("%s of %s requests failed", thousands(counts.Failed), thousands(counts.Total))
	}
	return nil
}

// prepare finds out what flags did not say.
func (r *batchRun) prepare() error {
	if r.key == "" {
		r.key = os.Getenv(keyVariable)
	}
	if r.base == "" {
		p := place{config: r.config}
		cfg, err := p.load()
		if err != nil {
			return err
		}
		r.base = "http://" + reachable(cfg.Server.Address) + "/v1"
	}
	r.base = strings.TrimRight(r.base, "/")
	stem := strings.TrimSuffix(r.input, filepath.Ext(r.input))
	if r.output == "" {
		r.output = stem + ".out.jsonl"
	} else {
		stem = strings.TrimSuffix(r.output, filepath.Ext(r.output))
	}
	r.errors = stem + ".errors.jsonl"
	if r.endpoint != "" {
		return nil
	}
	f, err := os.Open(r.input)
	if err != nil {
		return err
	}
	defer f.Close()
	var first struct{ URL string }
	if err := json.NewDecoder(bufio.NewReader(f)).Decode(&first); err != nil || first.URL == "" {
		return fmt.Errorf("%s: the first line is no request with a url; see smartrouter batch run --help", r.input)
	}
	r.endpoint = first.URL
	return nil
}

// reachable is the address of a listener as a client says it.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// upload streams the file as a form and answers its id.
func (r *batchRun) upload(ctx context.Context) (string, error) {
	f, err := os.Open(r.input)
	if err != nil {
		return "", err
	}
	defer f.Close()
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() {
		err := form.WriteField("purpose", batch.PurposeBatch)
		if err == nil {
			var part io.Writer
			if part, err = form.CreateFormFile("file", filepath.Base(r.input)); err == nil {
				_, err = io.Copy(part, f)
			}
		}
		write.CloseWithError(errors.Join(err, form.Close()))
	}()
	var out batch.File
	err = r.ask(ctx, http.MethodPost, "/files", form.FormDataContentType(), read, &out)
	_ = read.Close() // ends the writer, where the answer came before the file was sent
	return out.ID, err
}

func (r *batchRun) create(ctx context.Context, file string) (b batch.Batch, err error) {
	body, err := json.Marshal(map[string]string{"input_file_id": file, "endpoint": r.endpoint, "completion_window": r.window})
	if err != nil {
		return b, err
	}
	return b, r.ask(ctx, http.MethodPost, "/batches", "application/json", bytes.NewReader(body), &b)
}

// watch shows how far the batch is, until its end. A router that does not
// answer is waited for: it goes on with the batch when it is back.
func (r *batchRun) watch(ctx, polite context.Context, b batch.Batch) (batch.Batch, error) {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	done, cancelled := ctx.Done(), false
	for {
		r.show.tell(&b, time.Now())
		if b.Status.Final() {
			return b, nil
		}
		select {
		case <-tick.C:
		case <-done:
			done, cancelled = nil, true
		}
		method, path := http.MethodGet, "/batches/"+url.PathEscape(b.ID)
		if cancelled && b.Status != batch.Cancelling {
			method, path = http.MethodPost, path+"/cancel"
		}
		var next batch.Batch
		err := r.ask(polite, method, path, "", nil, &next)
		var refused *refusal
		switch {
		case err == nil:
			b = next
		case errors.As(err, &refused) && method == http.MethodPost && refused.status == http.StatusBadRequest:
			cancelled = false // it ended just before
		case errors.As(err, &refused) && refused.status < http.StatusInternalServerError:
			return b, err
		default:
			r.show.note("the router does not answer, waiting: " + err.Error())
		}
	}
}

// fetch writes a file of the router's, whole or not at all.
func (r *batchRun) fetch(ctx context.Context, id, path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".batch-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = r.ask(ctx, http.MethodGet, "/files/"+url.PathEscape(id)+"/content", "", nil, tmp)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// refusal is an error that the router answered with.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

// ask sends a request. The answer is copied to out where that is a writer, and
// decoded into it where not.
func (r *batchRun) ask(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error struct{ Message string } }
		const enough = 64 << 10
		text, _ := io.ReadAll(io.LimitReader(resp.Body, enough))
		if json.Unmarshal(text, &e) != nil || e.Error.Message == "" {
			e.Error.Message = "the router answered " + resp.Status
		}
		return &refusal{resp.StatusCode, e.Error.Message}
	}
	if w, ok := out.(io.Writer); ok {
		_, err = io.Copy(w, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

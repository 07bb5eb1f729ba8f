package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/server"
)

// binary is the router, built once for all tests, with the race detector.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "smartrouter-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		// Some tests run it as another user.
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary = filepath.Join(dir, "smartrouter")
		build := exec.Command("go", "build", "-race", "-o", binary, "../..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the router: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

const (
	// Both are ample, with the race detector on a busy machine: only what fails
	// lasts so long.
	startLimit = 2 * time.Minute
	waitLimit  = 2 * time.Minute
)

// router is a running smartrouter process.
type router struct {
	t      *testing.T
	cmd    *exec.Cmd
	config string
	data   string
	log    *log
	exited chan struct{}

	// URL is the base URL for OpenAI clients, Admin that of the admin listener.
	URL, Admin string
}

// log keeps what a process prints.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// listen is how the tests' routers find free ports.
const listen = `
server { address = "127.0.0.1:0" }
admin  { address = "127.0.0.1:0" }
`

// startRouter runs a configuration. Every process of it is gone after the test.
func startRouter(t *testing.T, hcl string, env ...string) *router {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "router.hcl")
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	return startRouterAt(t, config, filepath.Join(dir, "data"), env...)
}

var (
	publicLine = regexp.MustCompile(`models at (http://\S+/v1)`)
	adminLine  = regexp.MustCompile(`status at (http://\S+) with`)
)

func startRouterAt(t *testing.T, config, data string, env ...string) *router {
	t.Helper()
	return startRouterIn(t, nil, config, data, env...)
}

// startRouterIn starts the router by another command, which gets its command
// line as its own last arguments.
func startRouterIn(t *testing.T, wrapper []string, config, data string, env ...string) *router {
	t.Helper()
	r := &router{t: t, config: config, data: data, log: &log{}, exited: make(chan struct{})}
	line := append(slices.Clone(wrapper), binary, "serve", "--config", config, "--data-dir", data)
	r.cmd = exec.Command(line[0], line[1:]...)
	r.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GORACE=halt_on_error=1"}, env...)
	r.start()
	return r
}

// start runs the command and waits until it listens.
func (r *router) start() {
	r.t.Helper()
	if r.run(); r.Admin == "" {
		r.t.Fatalf("the router ended at its start:\n%s", r.log)
	}
}

// run runs the command until it listens or has ended.
func (r *router) run() {
	t := r.t
	t.Helper()
	exited := r.exited
	cmd, said := r.cmd, r.log
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(io.TeeReader(stderr, said))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if m := publicLine.FindStringSubmatch(lines.Text()); m != nil {
				r.URL = m[1]
			}
			if m := adminLine.FindStringSubmatch(lines.Text()); m != nil {
				r.Admin = m[1]
				close(ready)
			}
		}
		io.Copy(said, stderr)
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		r.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the router said:\n%s", r.log)
		}
		if strings.Contains(r.log.String(), "DATA RACE") {
			t.Errorf("a data race in the router:\n%s", r.log)
		}
	})
	select {
	case <-ready:
	case <-exited:
	case <-time.After(startLimit):
		t.Fatalf("the router is not ready after %s:\n%s", startLimit, r.log)
	}
}

// stop ends the router and waits for its end.
func (r *router) stop(s syscall.Signal) {
	r.t.Helper()
	select {
	case <-r.exited:
		return
	default:
	}
	r.cmd.Process.Signal(s)
	select {
	case <-r.exited:
	case <-time.After(waitLimit):
		r.t.Errorf("the router still runs %s after %s", waitLimit, s)
		r.cmd.Process.Kill()
		<-r.exited
	}
}

// askAdmin asks the admin listener; an answer that is not 200 is an error.
func (r *router) askAdmin(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	token, err := os.ReadFile(filepath.Join(r.data, "admin.token"))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.Admin+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	// Few connections stay open: some tests count those of the router.
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s %v\n%s", method, path, resp.Status, err, answer)
	}
	return answer, nil
}

// admin is what the admin listener answers to a GET.
func (r *router) admin(path string) []byte {
	r.t.Helper()
	answer, err := r.askAdmin(context.Background(), http.MethodGet, path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func (r *router) status() server.Status {
	r.t.Helper()
	var st server.Status
	if err := json.Unmarshal(r.admin("/admin/status"), &st); err != nil {
		r.t.Fatal(err)
	}
	return st
}

// metric sums the samples of a metric whose labels contain each of the parts.
func (r *router) metric(name string, parts ...string) float64 {
	r.t.Helper()
	sum := 0.0
	for line := range strings.Lines(string(r.admin("/metrics"))) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		match := true
		for _, p := range parts {
			match = match && strings.Contains(rest, p)
		}
		if fields := strings.Fields(rest); match {
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			sum += v
		}
	}
	return sum
}

// counts waits for what a metric has to come to: a request is counted behind its
// answer.
func (r *router) counts(want float64, name string, parts ...string) {
	r.t.Helper()
	got := 0.0
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // between two looks
		if got = r.metric(name, parts...); got == want {
			return
		}
	}
	r.t.Errorf("%s %s is %v, want %v", name, strings.Join(parts, " "), got, want)
}

// wait polls until ok or the limit.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s", waitLimit, what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// chatBody is a small chat request.
func chatBody(model string, stream bool, text string) []byte {
	b, _ := json.Marshal(map[string]any{
		"model": model, "stream": stream, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	return b
}

// post sends a request and answers status, headers and whole body.
func (r *router) post(ctx context.Context, path string, body []byte, header ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	return do(req)
}

// do sends a request and reads its answer.
func do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := clients.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, b, err
}

var clients = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}

// ask is a chat that must succeed, whole to the last word.
func (r *router) ask(ctx context.Context, model string, stream bool, text string) error {
	resp, body, err := r.post(ctx, "/chat/completions", chatBody(model, stream, text))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	if stream && !bytes.Contains(body, []byte("data: [DONE]")) {
		return fmt.Errorf("the stream has no end: %s", body)
	}
	if !stream && !json.Valid(body) {
		return fmt.Errorf("no JSON: %s", body)
	}
	return nil
}

// load sends n requests by so many clients, every second one streamed, and
// answers the errors.
func (r *router) load(ctx context.Context, clients, n int, model string) []error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	next := make(chan int)
	for range clients {
		wg.Go(func() {
			for i := range next {
				if err := r.ask(ctx, model, i%2 == 0, fmt.Sprintf("request %d", i)); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("request %d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return errs
}

// cli runs a command of the router's and answers what it printed.
func cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	return string(out), err
}

// freeAddress is one that nobody listens on; somebody may take it before the
// router does, so it is for the few tests that need to know it beforehand.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

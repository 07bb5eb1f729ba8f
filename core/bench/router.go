package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// apiKey is what clients send: telling callers apart is part of the cost.
const apiKey = "sk-bench-loopback-only"

// The rest is default: all five kinds of plugin run.
const routerHCL = `server {
  address = "127.0.0.1:0"
}
admin {
  address = "127.0.0.1:0"
}
key "bench" {
  secret = "` + apiKey + `"
}
provider "mock" {
  base_url = "http://%s/v1"
  adapter  = plugin.adapter.openai
}
channel "mock" {
  provider = provider.mock
  api_key  = "sk-mock"
}
`

// A router is the smartrouter under test.
type router struct {
	part        *part
	addr, admin string
	token       string
}

var (
	routerReady = regexp.MustCompile(`models at http://([^/\s]+)/v1`)
	adminReady  = regexp.MustCompile(`metrics and status at http://(\S+)`)
)

// startRouter starts a smartrouter whose only provider is the mock.
func startRouter(ctx context.Context, binary, folder, upstream string) (*router, error) {
	config, data := filepath.Join(folder, "router.hcl"), filepath.Join(folder, "data")
	if err := os.WriteFile(config, fmt.Appendf(nil, routerHCL, upstream), 0o600); err != nil {
		return nil, err
	}
	p, err := startPart(ctx, binary, []string{"serve", "--config", config, "--data-dir", data}, routerReady, adminReady)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		p.stop()
		return nil, err
	}
	return &router{part: p, addr: p.said[0], admin: p.said[1], token: strings.TrimSpace(string(token))}, nil
}

// pluginCalls is how many calls to plugins there were since the start.
func (r *router) pluginCalls(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("smartrouter's /metrics: %s", resp.Status)
	}
	return sum(resp.Body, "smartrouter_plugin_calls_total")
}

// sum adds up all series of one metric in Prometheus' text format.
func sum(metrics io.Reader, name string) (total float64, err error) {
	scan := bufio.NewScanner(metrics)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		rest, found := strings.CutPrefix(scan.Text(), name)
		if !found || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 {
			return 0, fmt.Errorf("%s has no value", name)
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		total += v
	}
	return total, scan.Err()
}

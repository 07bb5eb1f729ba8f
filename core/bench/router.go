package main

import (
	"bufio"
	"context"
	"encoding/json"
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

// The rest is default: the five plugins of the default pipeline run.
const routerHCL = providerHCL + oneChannel

const providerHCL = `server {
  address = "127.0.0.1:0"
}
admin {
  address = "127.0.0.1:0"
}
key "bench" {
  secret = "` + apiKey + `"
}
provider "mock" {
  base_url = "%s/v1"
  adapter  = plugin.adapter.openai
}
`

// oneChannel has the models that the mock lists.
const oneChannel = `channel "mock" {
  provider = provider.mock
  api_key  = "sk-mock"
  queue    = 5000 # of what comes at once when a plugin is back
}
`

// wideChannel has as many connections as there are streams, and more.
const wideChannel = `channel "mock" {
  provider = provider.mock
  api_key  = "sk-mock"
  pool { max_connections = 8192 }
}
`

// http1HCL is for upstreams that could speak HTTP/2, too.
const http1HCL = `pool {
  http2 = false
}
`

// A pipeline of its own names every step; what a step does not say is default.
const (
	cachedHCL = `pipeline "cached" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "1h"
  }
  step "choose" { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}
route "all" {
  paths    = ["/v1/*"]
  pipeline = pipeline.cached
}
`
	leaselessHCL = `plugin "selector" "each" {
  command = [%q, %q]
}
pipeline "each" {
  step "health" { run = plugin.prober.models }
  step "answers" { run = plugin.cache.local }
  step "choose" { run = plugin.selector.each }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}
route "all" {
  paths    = ["/v1/*"]
  pipeline = pipeline.each
}
`
)

// channelsHCL declares channels with models of their own names, the same ones
// on each: mock, mock-1, mock-2 ...
func channelsHCL(channels, models int) string {
	var names, all strings.Builder
	for i := range models {
		fmt.Fprintf(&names, "%q, ", modelName(i))
	}
	for i := range channels {
		fmt.Fprintf(&all, "channel \"mock-%d\" {\n  provider = provider.mock\n  api_key  = \"sk-mock\"\n  models   = [%s]\n}\n", i, names.String())
	}
	return all.String()
}

// modelName is the name of the n-th model.
func modelName(n int) string {
	if n == 0 {
		return "mock"
	}
	return "mock-" + strconv.Itoa(n)
}

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

// startRouter starts a smartrouter with a configuration.
func startRouter(ctx context.Context, binary, folder, hcl string) (*router, error) {
	config, data := filepath.Join(folder, "router.hcl"), filepath.Join(folder, "data")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
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

// ask asks the admin listener. The caller closes the body.
func (r *router) ask(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("smartrouter's %s: %s", path, resp.Status)
	}
	return resp.Body, nil
}

// pluginCalls is how many calls to plugins there were since the start.
func (r *router) pluginCalls(ctx context.Context) (float64, error) {
	body, err := r.ask(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return sum(body, "smartrouter_plugin_calls_total")
}

// pluginStatus is what the router says of a plugin.
type pluginStatus struct {
	Address string
	PID     int
	State   string
}

func (r *router) plugin(ctx context.Context, address string) (pluginStatus, error) {
	body, err := r.ask(ctx, "/admin/status")
	if err != nil {
		return pluginStatus{}, err
	}
	defer body.Close()
	var status struct {
		Plugins []pluginStatus `json:"plugins"`
	}
	if err := json.NewDecoder(body).Decode(&status); err != nil {
		return pluginStatus{}, err
	}
	for _, p := range status.Plugins {
		if p.Address == address {
			return p, nil
		}
	}
	return pluginStatus{}, fmt.Errorf("the router has no plugin %s", address)
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

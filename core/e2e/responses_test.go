package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// made is a response that the router answered with.
type made struct{ id, channel string }

// twoMakers are channels a and b at two walls, both with the model m. Each has
// another one of its own, so that a test can say who makes a response.
func twoMakers(t *testing.T, more ...string) (a, b *wall.Wall, hcl string) {
	t.Helper()
	a = wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "only-a"))
	b = wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "only-b"))
	return a, b, listen + channel("a", a.URL(), upstreamKey) + channel("b", b.URL(), upstreamKey) + strings.Join(more, "\n")
}

func responseBody(more map[string]any) []byte {
	body := map[string]any{"model": "m", "input": "hello there"}
	for k, v := range more {
		body[k] = v
	}
	b, _ := json.Marshal(body)
	return b
}

// respond asks for a response, which must come.
func (r *router) respond(more map[string]any, header ...string) made {
	r.t.Helper()
	resp, body, err := r.post(r.t.Context(), "/responses", responseBody(more), header...)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("responses %v: %v %s", more, err, body)
	}
	if more["stream"] == true {
		_, first, _ := bytes.Cut(body, []byte("data: "))
		body, _, _ = bytes.Cut(first, []byte("\n"))
	}
	var answer struct {
		ID       string
		Response struct{ ID string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		r.t.Fatalf("%v: %s", err, body)
	}
	return made{answer.ID + answer.Response.ID, resp.Header.Get("X-Smartrouter-Channel")}
}

// by asks for what is kept, below /v1/responses/.
func (r *router) by(method, path string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.URL+"/responses/"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := clients.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(body)
}

// refused checks an error answer.
func (r *router) refused(resp *http.Response, body string, status int, code string) {
	r.t.Helper()
	var e struct {
		Error struct {
			Message string
			Type    string
			Code    *string
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Message == "" {
		r.t.Fatalf("%s: %s", resp.Status, body)
	}
	got := ""
	if e.Error.Code != nil {
		got = *e.Error.Code
	}
	if resp.StatusCode != status || got != code {
		r.t.Errorf("%s %s, want %d with the code %q", resp.Status, body, status, code)
	}
}

// written waits until the store has every response id.
func (r *router) written() {
	r.t.Helper()
	wait(r.t, "the response ids are in the store", func() bool { return r.metric("smartrouter_response_ids_unwritten") == 0 })
}

// madeByBoth has each channel make responses, every second one streamed.
func madeByBoth(r *router) []made {
	r.t.Helper()
	var all []made
	for i := range 12 {
		name := []string{"a", "b"}[i/2%2]
		m := r.respond(map[string]any{"model": "only-" + name, "stream": i%2 == 0})
		if m.channel != name {
			r.t.Fatalf("only-%s was answered by %s", name, m.channel)
		}
		all = append(all, m)
	}
	return all
}

func TestFollowUpsGoToTheMakerAlsoAfterAKill(t *testing.T) {
	t.Parallel()
	a, b, hcl := twoMakers(t)
	r := startRouter(t, hcl)
	all := madeByBoth(r)
	follow := func(r *router) {
		t.Helper()
		for i, m := range all {
			next := r.respond(map[string]any{"previous_response_id": m.id, "stream": i%3 == 0})
			if next.channel != m.channel {
				t.Errorf("%s was made by %s, followed by %s", m.id, m.channel, next.channel)
			}
			if resp, body := r.by(http.MethodGet, m.id); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Smartrouter-Channel") != m.channel {
				t.Errorf("GET %s, made by %s: %s %v %s", m.id, m.channel, resp.Status, resp.Header, body)
			}
		}
	}
	follow(r)
	r.counts(float64(2*len(all)), "smartrouter_response_lookups_total", `found="memory"`)
	r.written()
	r.stop(syscall.SIGKILL)

	again := startRouterAt(t, r.config, r.data)
	follow(again)
	// The second look-up of each is in memory.
	again.counts(float64(len(all)), "smartrouter_response_lookups_total", `found="store"`)
	for _, w := range []*wall.Wall{a, b} {
		for _, q := range whenOver(t, w) {
			if strings.HasPrefix(q.Path, "/v1/responses") && q.Status != http.StatusOK {
				t.Errorf("%s %s: %d", q.Method, q.Path, q.Status)
			}
		}
	}
}

func TestAnOrderlyStopKeepsEveryResponseID(t *testing.T) {
	t.Parallel()
	_, _, hcl := twoMakers(t)
	r := startRouter(t, hcl)
	all := madeByBoth(r)
	r.stop(syscall.SIGTERM)
	again := startRouterAt(t, r.config, r.data)
	for _, m := range all {
		if next := again.respond(map[string]any{"previous_response_id": m.id}); next.channel != m.channel {
			t.Errorf("%s was made by %s, followed by %s", m.id, m.channel, next.channel)
		}
	}
}

func TestResponseByItsID(t *testing.T) {
	t.Parallel()
	a, b, hcl := twoMakers(t)
	r := startRouter(t, hcl)
	m, background := r.respond(nil), r.respond(map[string]any{"background": true})
	makers := map[string]*wall.Wall{"a": a, "b": b}

	resp, body := r.by(http.MethodGet, m.id+"?include=reasoning.encrypted_content&stream=false")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, m.id) || !strings.Contains(body, "hello there") {
		t.Errorf("GET: %s %s", resp.Status, body)
	}
	asked := makers[m.channel].Requests()
	if q := asked[len(asked)-1]; q.Query != "include=reasoning.encrypted_content&stream=false" || q.Header.Get("Authorization") != "Bearer "+upstreamKey {
		t.Errorf("the provider got %s?%s %v", q.Path, q.Query, q.Header)
	}
	resp, body = r.by(http.MethodGet, m.id+"?stream=true")
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") || !strings.Contains(body, "event: response.completed") {
		t.Errorf("GET as a stream: %s %v %s", resp.Status, resp.Header, body)
	}
	if resp, body = r.by(http.MethodGet, m.id+"/input_items?limit=5"); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"input_text"`) {
		t.Errorf("input items: %s %s", resp.Status, body)
	}
	resp, body = r.by(http.MethodPost, m.id+"/cancel")
	r.refused(resp, body, http.StatusBadRequest, "")
	if !strings.Contains(body, "Cannot cancel a synchronous response.") {
		t.Errorf("not in the provider's words: %s", body)
	}
	if resp, body = r.by(http.MethodPost, background.id+"/cancel"); resp.StatusCode != http.StatusOK || !strings.Contains(body, background.id) {
		t.Errorf("cancel: %s %s", resp.Status, body)
	}
	resp, body = r.by(http.MethodPost, m.id)
	r.refused(resp, body, http.StatusMethodNotAllowed, "method_not_allowed")
	if resp.Header.Get("Allow") != "GET, DELETE" {
		t.Errorf("allowed: %q", resp.Header.Get("Allow"))
	}

	if resp, body = r.by(http.MethodDelete, m.id); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"deleted":true`) {
		t.Errorf("DELETE: %s %s", resp.Status, body)
	}
	before := len(a.Requests()) + len(b.Requests())
	resp, body = r.by(http.MethodGet, m.id)
	r.refused(resp, body, http.StatusNotFound, "")
	if want := `{"error":{"message":"Response with id '` + m.id + `' not found.","type":"invalid_request_error","param":null,"code":null}}`; body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	resp, text, err := r.post(t.Context(), "/responses", responseBody(map[string]any{"previous_response_id": m.id}))
	if err != nil {
		t.Fatal(err)
	}
	r.refused(resp, string(text), http.StatusBadRequest, "previous_response_not_found")
	if want := `{"error":{"message":"Previous response with id '` + m.id + `' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`; string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	unstored := r.respond(map[string]any{"store": false})
	resp, body = r.by(http.MethodGet, unstored.id)
	r.refused(resp, body, http.StatusNotFound, "")
	if after := len(a.Requests()) + len(b.Requests()); after != before+1 {
		t.Errorf("the providers were asked %d times for what is not there", after-before-1)
	}
	r.written()
	r.stop(syscall.SIGKILL)
	again := startRouterAt(t, r.config, r.data)
	resp, body = again.by(http.MethodGet, m.id)
	again.refused(resp, body, http.StatusNotFound, "")
}

func TestNobodyReachesAnothersResponse(t *testing.T) {
	t.Parallel()
	a, b, hcl := twoMakers(t, `key "one" { secret = "sk-one-0123456789" }`, `key "two" { secret = "sk-two-0123456789" }`)
	r := startRouter(t, hcl)
	one, two := []string{"Authorization", "Bearer sk-one-0123456789"}, []string{"Authorization", "Bearer sk-two-0123456789"}
	m := r.respond(nil, one...)
	before := len(a.Requests()) + len(b.Requests())
	for _, q := range []struct{ method, path string }{
		{method: http.MethodGet, path: m.id}, {method: http.MethodGet, path: m.id + "?stream=true"}, {method: http.MethodDelete, path: m.id},
		{method: http.MethodPost, path: m.id + "/cancel"}, {method: http.MethodGet, path: m.id + "/input_items"},
		{method: http.MethodGet, path: "one%00" + m.id}, {method: http.MethodGet, path: "..%2Fmodels"}, {method: http.MethodGet, path: "%2E%2E"},
	} {
		resp, body := r.by(q.method, q.path, two...)
		r.refused(resp, body, http.StatusNotFound, "")
	}
	resp, body, err := r.post(t.Context(), "/responses", responseBody(map[string]any{"previous_response_id": m.id}), two...)
	if err != nil {
		t.Fatal(err)
	}
	r.refused(resp, string(body), http.StatusBadRequest, "previous_response_not_found")
	resp, text := r.by(http.MethodGet, m.id)
	r.refused(resp, text, http.StatusUnauthorized, "missing_api_key")
	if after := len(a.Requests()) + len(b.Requests()); after != before {
		t.Errorf("the providers were asked %d times", after-before)
	}
	if resp, text := r.by(http.MethodGet, m.id, one...); resp.StatusCode != http.StatusOK {
		t.Errorf("its owner gets %s %s", resp.Status, text)
	}
	if next := r.respond(map[string]any{"previous_response_id": m.id}, one...); next.channel != m.channel {
		t.Errorf("its owner is sent to %s, not %s", next.channel, m.channel)
	}
}

func TestResponseOfAChannelThatIsGone(t *testing.T) {
	t.Parallel()
	const otherKey = "sk-another-account"
	a := wall.Start(t, wall.Key(upstreamKey, otherKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	only := func(name string, w *wall.Wall, key string) string { return channel(name, w.URL(), key) }
	r := startRouter(t, listen+only("a", a, upstreamKey))
	m := r.respond(nil)
	for _, change := range []struct {
		name, hcl string
		found     bool
	}{
		{name: "removed", hcl: only("b", b, upstreamKey)},
		{name: "another account under its name", hcl: only("a", a, otherKey) + only("b", b, upstreamKey)},
		{name: "another provider under its name", hcl: only("a", b, upstreamKey)},
		{name: "there again, beside another", hcl: only("b", b, upstreamKey) + only("a", a, upstreamKey), found: true},
	} {
		r.stop(syscall.SIGTERM)
		if err := os.WriteFile(r.config, []byte(listen+change.hcl), 0o600); err != nil {
			t.Fatal(err)
		}
		r = startRouterAt(t, r.config, r.data)
		before := len(b.Requests())
		resp, body := r.by(http.MethodGet, m.id)
		if change.found {
			if next := r.respond(map[string]any{"previous_response_id": m.id}); resp.StatusCode != http.StatusOK || next.channel != m.channel {
				t.Errorf("%s: %s %s, then followed by %q", change.name, resp.Status, body, next.channel)
			}
			continue
		}
		r.refused(resp, body, http.StatusNotFound, "")
		if !strings.Contains(body, `The channel \"a\" that made it is no longer configured`) {
			t.Errorf("%s: %s", change.name, body)
		}
		resp, text, err := r.post(t.Context(), "/responses", responseBody(map[string]any{"previous_response_id": m.id}))
		if err != nil {
			t.Fatal(err)
		}
		r.refused(resp, string(text), http.StatusBadRequest, "previous_response_not_found")
		for _, q := range b.Requests()[before:] {
			if strings.HasPrefix(q.Path, "/v1/responses") {
				t.Errorf("%s: another provider got %s %s", change.name, q.Method, q.Path)
			}
		}
	}
}

func TestNoFailoverAwayFromTheMaker(t *testing.T) {
	t.Parallel()
	a, b, hcl := twoMakers(t)
	r := startRouter(t, hcl)
	m := r.respond(nil)
	dead, other := a, b
	if m.channel == "b" {
		dead, other = b, a
	}
	dead.Close()
	other.Forget()
	for i := range 4 { // the first finds it dead, the others find it banned
		resp, body, err := r.post(t.Context(), "/responses", responseBody(map[string]any{"previous_response_id": m.id, "stream": i%2 == 0}))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusBadGateway && resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("follow-up %d: %s %s", i, resp.Status, body)
		}
	}
	resp, body := r.by(http.MethodGet, m.id)
	r.refused(resp, body, http.StatusBadGateway, "bad_gateway")
	resp, body = r.by(http.MethodDelete, m.id)
	r.refused(resp, body, http.StatusBadGateway, "bad_gateway")
	for _, q := range other.Requests() {
		if strings.HasPrefix(q.Path, "/v1/responses") {
			t.Errorf("the other provider got %s %s", q.Method, q.Path)
		}
	}
	if next := r.respond(nil); next.channel == m.channel {
		t.Error("the dead provider answered")
	}
}

func TestFollowUpWithAModelThatTheMakerLacks(t *testing.T) {
	t.Parallel()
	_, _, hcl := twoMakers(t, `model "either" { any = ["only-a", "only-b"] }`)
	r := startRouter(t, hcl)
	m := r.respond(map[string]any{"model": "only-a"})
	resp, body, err := r.post(t.Context(), "/responses", responseBody(map[string]any{"model": "only-b", "previous_response_id": m.id}))
	if err != nil {
		t.Fatal(err)
	}
	r.refused(resp, string(body), http.StatusBadRequest, "model_not_found")
	for i := range 4 {
		next := r.respond(map[string]any{"model": "either", "previous_response_id": m.id, "input": fmt.Sprint(i)})
		if next.channel != "a" {
			t.Errorf("followed by %s", next.channel)
		}
	}
}

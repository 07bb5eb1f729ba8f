package models

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// reply is what an upstream answers to one kind of request.
type reply struct {
	status int
	body   string
	err    error
}

// upstream answers GET models and POST chat, and counts the latter.
type upstream struct {
	t          *testing.T
	list, chat reply
	chats      int
}

func (u *upstream) Do(_ context.Context, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	a := u.list
	switch {
	case r.Method == "" && r.Endpoint == sdk.Models && r.Body == nil:
	case r.Method == http.MethodPost && r.Endpoint == sdk.Chat && r.Model == madeUpModel && string(r.Body) == madeUpChat:
		u.chats++
		a = u.chat
	default:
		u.t.Errorf("unexpected request %+v", r)
	}
	return sdk.UpstreamResponse{Status: a.status, Body: []byte(a.body)}, a.err
}

const twoModels = `{"object":"list","data":[{"id":"a"},{"id":"b"}]}`

func TestProbe(t *testing.T) {
	t.Parallel()
	notFound := reply{status: 404, body: `{"detail":"Not Found"}`}
	tests := []struct {
		name     string
		settings map[string]string
		list     reply
		chat     reply

		state  sdk.HealthState
		key    sdk.KeyState
		models string // what is listed, joined; "-": no list
		reason string
		failed bool // nothing was found out
	}{
		{
			name: "lists", list: reply{status: 200, body: twoModels},
			state: sdk.HealthUp, key: sdk.KeyValid, models: "a b", reason: "GET models answered 200 with 2 models",
		},
		{
			name: "lists to everyone", settings: map[string]string{"public_models": "true"}, list: reply{status: 200, body: twoModels},
			state: sdk.HealthUp, models: "a b", reason: "GET models answered 200 with 2 models",
		},
		{
			name: "lists a catalogue", settings: map[string]string{"models_list": "catalogue"}, list: reply{status: 200, body: twoModels},
			state: sdk.HealthUp, key: sdk.KeyValid, models: "-", reason: "GET models answered 200 with 2 models",
		},
		{
			name: "has no models yet", list: reply{status: 200, body: `{"data":[]}`},
			state: sdk.HealthUp, key: sdk.KeyValid, models: "", reason: "GET models answered 200 with 0 models",
		},
		{
			name: "answers a web page", list: reply{status: 200, body: "<html>"},
			state: sdk.HealthMisconfigured, models: "-", reason: "GET models answered 200, but no list: it is no JSON, or in no known form",
		},
		{
			name: "answers an error as 200", list: reply{status: 200, body: `{"error":{"message":"no"}}`},
			state: sdk.HealthMisconfigured, models: "-", reason: "GET models answered 200, but no list: it has no field data",
		},
		{
			name: "bad key", list: reply{status: 401, body: `{"error":{"message":"Incorrect API key\nprovided"}}`},
			state: sdk.HealthUp, key: sdk.KeyInvalid, models: "-", reason: "GET models answered 401: Incorrect API key provided",
		},
		{
			name: "forbidden", list: reply{status: 403},
			state: sdk.HealthUp, key: sdk.KeyInvalid, models: "-", reason: "GET models answered 403",
		},
		{
			name: "forbidden for a while", list: reply{status: 403, body: `{"message":"Rate limit reached"}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 403: Rate limit reached",
		},
		{
			name: "a key that may not list", list: reply{status: 403, body: `{"error":{"message":"Missing scopes: api.model.read"}}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 403: Missing scopes: api.model.read",
		},
		{
			name: "too many requests", list: reply{status: 429, body: `{"error":"slow down"}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 429: slow down",
		},
		{name: "no money", list: reply{status: 402}, state: sdk.HealthUp, models: "-", reason: "GET models answered 402"},
		{name: "broken", list: reply{status: 503, body: "oops"}, state: sdk.HealthDown, models: "-", reason: "GET models answered 503"},
		{name: "moved", list: reply{status: 301}, state: sdk.HealthMisconfigured, models: "-", reason: "GET models answered 301"},
		{
			name: "not reached", list: reply{err: status.Error(codes.Unavailable, "connection refused")},
			state: sdk.HealthDown, models: "-", reason: "GET models: rpc error: code = Unavailable desc = connection refused",
		},
		{
			name: "silent", list: reply{err: status.Error(codes.DeadlineExceeded, "10s")},
			state: sdk.HealthDown, models: "-", reason: "GET models: rpc error: code = DeadlineExceeded desc = 10s",
		},
		{name: "not sent", list: reply{err: status.Error(codes.ResourceExhausted, "rate")}, failed: true},

		{
			name: "no list, knows its models", list: notFound, chat: reply{status: 404, body: `{"error":{"code":"model_not_found"}}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 404, and a chat with a made-up model was refused as unknown (404)",
		},
		{
			name: "says so by 400", list: reply{status: 405}, chat: reply{status: 400, body: `{"error":{"message":"Model Not Exist"}}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 405, and a chat with a made-up model was refused as unknown (400)",
		},
		{
			name: "says so by 422", list: reply{err: sdk.Unsupported("none")}, chat: reply{status: 422, body: `{"detail":"test-speed-health-check-dummy?"}`},
			state: sdk.HealthUp, models: "-", reason: "has no list of models, and a chat with a made-up model was refused as unknown (422)",
		},
		{
			name: "says so in Chinese", list: notFound, chat: reply{status: 400, body: `{"error":{"code":"1211","message":"\u6a21\u578b\u4e0d\u5b58\u5728"}}`},
			state: sdk.HealthUp, models: "-", reason: "GET models answered 404, and a chat with a made-up model was refused as unknown (400)",
		},
		{
			name: "names a path, not a model", list: notFound, chat: reply{status: 404, body: `{"error":{"message":"Cannot POST /models/chat/completions"}}`},
			state: sdk.HealthMisconfigured, models: "-",
			reason: "GET models answered 404, and a chat with a made-up model found nothing there (404): is the base URL right?",
		},
		{
			name: "declared to have no list", settings: map[string]string{"no_models": "true"}, list: reply{status: 500},
			chat:  reply{status: 404, body: `{"error":"no such model"}`},
			state: sdk.HealthUp, models: "-", reason: "has no list of models, and a chat with a made-up model was refused as unknown (404)",
		},
		{
			name: "another server", list: notFound, chat: notFound,
			state: sdk.HealthMisconfigured, models: "-",
			reason: "GET models answered 404, and a chat with a made-up model found nothing there (404): is the base URL right?",
		},
		{
			name: "a web page about models", list: notFound, chat: reply{status: 404, body: "<html>model"},
			state: sdk.HealthMisconfigured, models: "-",
			reason: "GET models answered 404, and a chat with a made-up model found nothing there (404): is the base URL right?",
		},
		{
			name: "a refusal of something else", list: notFound, chat: reply{status: 400, body: `{"error":"no"}`},
			state: sdk.HealthMisconfigured, models: "-", reason: "a chat with a made-up model answered 400: no",
		},
		{
			name: "bad key, no list", list: notFound, chat: reply{status: 401, body: `{"error":"who?"}`},
			state: sdk.HealthUp, key: sdk.KeyInvalid, models: "-", reason: "a chat with a made-up model answered 401: who?",
		},
		{
			name: "broken, no list", list: notFound, chat: reply{status: 500},
			state: sdk.HealthDown, models: "-", reason: "a chat with a made-up model answered 500",
		},
		{
			name: "gone between the two", list: notFound, chat: reply{err: status.Error(codes.Unavailable, "reset")},
			state: sdk.HealthDown, models: "-", reason: "a chat with a made-up model: rpc error: code = Unavailable desc = reset",
		},
		{
			name: "not granted", list: notFound, chat: reply{err: status.Error(codes.PermissionDenied, "needs grants")},
			state: sdk.HealthUnknown, models: "-",
			reason: "GET models answered 404, and a chat with a made-up model is not granted: rpc error: code = PermissionDenied desc = needs grants",
		},
		{
			name: "has no chat either", list: notFound, chat: reply{err: sdk.Unsupported("no chat")},
			state: sdk.HealthUnknown, models: "-", reason: "GET models answered 404, and no chat",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := &upstream{t: t, list: tt.list, chat: tt.chat}
			h, err := New().Prober.Probe(context.Background(), sdk.Channel{Name: "c", Settings: tt.settings}, up)
			if (err != nil) != tt.failed {
				t.Fatalf("error %v", err)
			}
			if tt.failed {
				return
			}
			models := "-"
			if h.Listed {
				var ids []string
				for _, m := range h.Models {
					ids = append(ids, m.ID)
				}
				models = strings.Join(ids, " ")
			}
			if h.State != tt.state || h.Key != tt.key || models != tt.models || h.Reason != tt.reason {
				t.Errorf("got  %s, key %s, models %q: %s\nwant %s, key %s, models %q: %s",
					h.State, h.Key, models, h.Reason, tt.state, tt.key, tt.models, tt.reason)
			}
			if !h.Lease.IsZero() || !h.KeyLease.IsZero() || !h.ModelsLease.IsZero() || !h.SpecsLease.IsZero() || !h.PricesLease.IsZero() {
				t.Error("a lease is not left to the step")
			}
		})
	}
}

func TestWhoLeftIsNotDown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	up := &upstream{t: t, list: reply{err: status.Error(codes.Unavailable, "closing")}}
	if h, err := New().Prober.Probe(ctx, sdk.Channel{}, up); err == nil {
		t.Errorf("got %+v, want an error", h)
	}
}

// An upstream that answers for any name is billed once, by one process of many.
func TestIgnoredModelNamesAreProbedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	channel := sdk.Channel{Name: "c", BaseURL: "http://one/v1"}
	up := &upstream{t: t, list: reply{status: 404}, chat: reply{status: 200, body: `{"choices":[]}`}}
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC) }
	probe := func(c sdk.Channel) sdk.Health {
		t.Helper()
		p := &prober{now: now}
		if err := p.Start(context.Background(), sdk.Setup{DataDir: dir}); err != nil {
			t.Fatal(err)
		}
		var h sdk.Health
		for range 2 {
			var err error
			if h, err = p.Probe(context.Background(), c, up); err != nil {
				t.Fatal(err)
			}
			if h.State != sdk.HealthMisconfigured {
				t.Errorf("state %s", h.State)
			}
		}
		return h
	}
	probe(channel)
	h := probe(channel)
	if up.chats != 1 {
		t.Errorf("%d chats, want 1", up.chats)
	}
	want := "GET models answered 404, and it answers for a model that does not exist (seen 2026-01-02 03:04): not asked again"
	if h.Reason != want {
		t.Errorf("got  %s\nwant %s", h.Reason, want)
	}

	channel.BaseURL = "http://two/v1"
	if probe(channel); up.chats != 2 {
		t.Errorf("%d chats, want one more at the new address", up.chats)
	}

	// Once it has a list, the flag does not matter.
	up.list = reply{status: 200, body: twoModels}
	p := &prober{now: now}
	if err := p.Start(context.Background(), sdk.Setup{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	if h, err := p.Probe(context.Background(), channel, up); err != nil || h.State != sdk.HealthUp {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestFlagsSurviveABadFile(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{", "null", `{"c x":"no time"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ignores-model-names.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var f flags
		f.open(dir)
		f.set(sdk.Channel{Name: "c"}, time.Unix(1, 0))
		var again flags
		again.open(dir)
		if _, ok := again.get(sdk.Channel{Name: "c"}); !ok {
			t.Errorf("after %q the flag was not kept", content)
		}
	}
}

func TestParseList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body string
		want []sdk.ModelInfo
		err  string
	}{
		{
			name: "OpenAI", body: `{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"}]}`,
			want: []sdk.ModelInfo{{ID: "gpt-4o", Created: 1715367049, OwnedBy: "system"}},
		},
		{
			name: "Together: a bare array", body: ` [{"id":"a/b","created":0,"context_length":131072},{"id":"c"}]`,
			want: []sdk.ModelInfo{{ID: "a/b", ContextTokens: 131072}, {ID: "c"}},
		},
		{
			name: "Groq, vLLM, Mistral, LiteLLM", body: `{"data":[{"id":"a","context_window":1},{"id":"b","max_model_len":2},{"id":"c","max_context_length":3},{"id":"d","max_input_tokens":4}]}`,
			want: []sdk.ModelInfo{{ID: "a", ContextTokens: 1}, {ID: "b", ContextTokens: 2}, {ID: "c", ContextTokens: 3}, {ID: "d", ContextTokens: 4}},
		},
		{
			name: "OpenRouter: US dollars a token, as text", body: `{"data":[
				{"id":"a","context_length":128000,"pricing":{"prompt":"0.0000025","completion":"0.00001","request":"0"},"top_provider":{"max_completion_tokens":16384}},
				{"id":"a:free","pricing":{"prompt":"0","completion":"0"},"top_provider":{"max_completion_tokens":null}},
				{"id":"it depends","pricing":{"prompt":"-1","completion":"-1"},"top_provider":7}]}`,
			want: []sdk.ModelInfo{
				{ID: "a", ContextTokens: 128000, OutputTokens: 16384, Price: sdk.Price{Known: true, Input: 2.5, Output: 10}},
				{ID: "a:free", Price: sdk.Price{Known: true}}, {ID: "it depends"},
			},
		},
		{
			name: "Together: US dollars per million tokens, as numbers", body: `[{"id":"a","pricing":{"hourly":0,"input":0.88,"output":1.5,"base":0}},{"id":"b","max_completion_tokens":9},{"id":"c","max_output_tokens":8}]`,
			want: []sdk.ModelInfo{{ID: "a", Price: sdk.Price{Known: true, Input: 0.88, Output: 1.5}}, {ID: "b", OutputTokens: 9}, {ID: "c", OutputTokens: 8}},
		},
		{
			name: "prices in no known unit are none", body: `[
				{"id":"numbers a token","pricing":{"prompt":0.0000025,"completion":0.00001}},
				{"id":"cents","pricing":{"prompt":"2.5","completion":"10"}},
				{"id":"half","pricing":{"prompt":"0.0000025"}},
				{"id":"text","pricing":{"input":"0.5","output":"1"}},
				{"id":"below zero","pricing":{"input":-1,"output":1}},
				{"id":"words","pricing":{"prompt":"NaN","completion":"Inf"}},
				{"id":"text of all","pricing":"free"},
				{"id":"a list","pricing":[1,2]}]`,
			want: []sdk.ModelInfo{{ID: "numbers a token"}, {ID: "cents"}, {ID: "half"}, {ID: "text"}, {ID: "below zero"}, {ID: "words"}, {ID: "text of all"}, {ID: "a list"}},
		},
		{
			name: "names", body: `{"models":["a",{"name":"b"}]}`,
			want: []sdk.ModelInfo{{ID: "a"}, {ID: "b"}},
		},
		{
			name: "Gemini", body: `{"models":[{"name":"models/gemini-2.5-flash","version":"001","inputTokenLimit":1048576,"outputTokenLimit":65536}]}`,
			want: []sdk.ModelInfo{{ID: "gemini-2.5-flash", ContextTokens: 1048576, OutputTokens: 65536}},
		},
		{
			name: "odd fields lose no model", body: `{"data":[{"id":"a","created":"1.7e9","owned_by":7,"context_length":null},{"id":"b","created":[],"context_length":-1}]}`,
			want: []sdk.ModelInfo{{ID: "a", Created: 1_700_000_000}, {ID: "b"}},
		},
		{
			name: "odd models are left out", body: `{"data":[{"id":"a"},{"id":"a"},{"id":""},{"id":"x\u0000y"},7,null,{"id":"` + strings.Repeat("x", maxID+1) + `"}]}`,
			want: []sdk.ModelInfo{{ID: "a"}},
		},
		{name: "empty list", body: `{"data":[]}`, want: []sdk.ModelInfo{}},
		{name: "cut off", body: `[{"id":"a"},{"id"`, err: "it is cut off or no JSON"},
		{name: "only odd ones", body: `[{}, {}]`, err: "none of its 2 entries names a model"},
		{name: "no list", body: `{"data":null}`, err: "it has no field data"},
		{name: "empty", body: ``, err: "it is no JSON, or in no known form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseList([]byte(tt.body))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err || !slices.Equal(got, tt.want) {
				t.Errorf("got  %+v, %q\nwant %+v, %q", got, text, tt.want, tt.err)
			}
		})
	}
}

func TestParseListIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"data":[{"id":"0"}`)
	for i := range maxModels + 10 {
		fmt.Fprintf(&b, `,{"id":"m%d"}`, i)
	}
	b.WriteString(`]}`)
	got, err := parseList([]byte(b.String()))
	if err != nil || len(got) != maxModels {
		t.Errorf("%d models, %v; want %d", len(got), err, maxModels)
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{twoModels, `[{"id":"a","created":1.5}]`, `["a","a"]`, `{"models":[{"name":"x"}]}`, `{"data":{}}`, `[{"id":"a","pricing":{"prompt":"1e-6","completion":"0"}}]`, `[{"id":"a","pricing":{"input":1,"output":1e4}}]`, "\xef\xbb\xbf{}", `[{"id":"\ud800"}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parseList(body)
		if err != nil && list != nil {
			t.Errorf("both a list and %v", err)
		}
		seen := make(map[string]bool)
		for _, m := range list {
			if p := m.Price; !isName(m.ID) || seen[m.ID] || m.ContextTokens < 0 || m.OutputTokens < 0 || m.Created < 0 ||
				!(p.Input >= 0 && p.Input <= maxPrice && p.Output >= 0 && p.Output <= maxPrice) {
				t.Errorf("model %+v", m)
			}
			seen[m.ID] = true
		}
		refusalOf(body)
	})
}

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// batchLimit is how long a batch may take, with the race detector and others
// on the same machine.
const batchLimit = 6 * time.Minute

// chatLines are n requests for a model, in the format of the Batch API.
func chatLines(n int, model string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"custom_id":"line-%d","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"number %d"}]}}`+"\n", i, model, i)
	}
	return b.String()
}

// sdk is the official client with a key.
func (r *router) sdk(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func uploadBatch(t *testing.T, c *openai.Client, lines string) *openai.FileObject {
	t.Helper()
	f, err := c.Files.New(t.Context(), openai.FileNewParams{
		File: openai.File(strings.NewReader(lines), "requests.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func createBatch(t *testing.T, c *openai.Client, lines string, endpoint openai.BatchNewParamsEndpoint) *openai.Batch {
	t.Helper()
	b, err := c.Batches.New(t.Context(), openai.BatchNewParams{
		InputFileID: uploadBatch(t, c, lines).ID, Endpoint: endpoint, CompletionWindow: openai.BatchNewParamsCompletionWindow24h,
		Metadata: map[string]string{"team": "tests"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// awaitBatch polls until the batch is as asked.
func awaitBatch(t *testing.T, c *openai.Client, id, what string, ok func(*openai.Batch) bool) *openai.Batch {
	t.Helper()
	for deadline := time.Now().Add(batchLimit); ; time.Sleep(20 * time.Millisecond) {
		b, err := c.Batches.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if ok(b) {
			return b
		}
		if b.Status == openai.BatchStatusFailed || time.Now().After(deadline) {
			t.Fatalf("not %s: %s", what, b.RawJSON())
		}
	}
}

func batchEnded(b *openai.Batch) bool {
	return b.Status == openai.BatchStatusCompleted || b.Status == openai.BatchStatusCancelled || b.Status == openai.BatchStatusExpired
}

// batchLine is one of an output or an error file.
type batchLine struct {
	ID       string
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int    `json:"status_code"`
		RequestID  string `json:"request_id"`
		Body       json.RawMessage
	}
	Error *struct{ Code, Message string }
}

// batchFile reads a file of a batch; none where the id is empty.
func batchFile(t *testing.T, c *openai.Client, id string) (all []batchLine) {
	t.Helper()
	if id == "" {
		return nil
	}
	resp, err := c.Files.Content(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return parseLines(t, resp.Body)
}

func parseLines(t *testing.T, src io.Reader) (all []batchLine) {
	t.Helper()
	lines := bufio.NewScanner(src)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l batchLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		all = append(all, l)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

const twoCallers = `
key "ann" { secret = "sk-ann-0123456789abcdef" }
key "bob" { secret = "sk-bob-0123456789abcdef" }
`

func TestBatchByTheGoSDK(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+twoCallers)
	ann, bob := r.sdk("sk-ann-0123456789abcdef"), r.sdk("sk-bob-0123456789abcdef")
	ctx := t.Context()

	f := uploadBatch(t, &ann, chatLines(3, wall.ChatModel))
	if f.ID == "" || f.Bytes != int64(len(chatLines(3, wall.ChatModel))) || f.Filename != "requests.jsonl" || f.Purpose != openai.FileObjectPurposeBatch || f.Object != "file" {
		t.Errorf("uploaded %s", f.RawJSON())
	}
	resp, err := ann.Files.Content(ctx, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(text) != chatLines(3, wall.ChatModel) {
		t.Errorf("content %q, %v", text, err)
	}

	lines := chatLines(20, wall.ChatModel) + strings.Replace(chatLines(1, "no-such-model"), "line-0", "bad", 1)
	made := createBatch(t, &ann, lines, openai.BatchNewParamsEndpointV1ChatCompletions)
	if made.Object != "batch" || made.Metadata["team"] != "tests" || made.CompletionWindow != "24h" || made.ExpiresAt-made.CreatedAt != 24*3600 {
		t.Errorf("created %s", made.RawJSON())
	}
	b := awaitBatch(t, &ann, made.ID, "ended", batchEnded)
	if c := b.RequestCounts; b.Status != openai.BatchStatusCompleted || c.Total != 21 || c.Completed != 20 || c.Failed != 1 || b.CompletedAt == 0 || b.Usage.TotalTokens == 0 {
		t.Errorf("ended %s", b.RawJSON())
	}
	out := batchFile(t, &ann, b.OutputFileID)
	for i, l := range out {
		var body openai.ChatCompletion
		if err := json.Unmarshal(l.Response.Body, &body); err != nil || len(body.Choices) != 1 || !strings.Contains(body.Choices[0].Message.Content, fmt.Sprintf("number %d", i)) {
			t.Errorf("line %d: %s %v", i, l.Response.Body, err)
		}
		if l.CustomID != fmt.Sprintf("line-%d", i) || l.Response.StatusCode != 200 || l.Response.RequestID == "" || l.Error != nil {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	bad := batchFile(t, &ann, b.ErrorFileID)
	if len(out) != 20 || len(bad) != 1 || bad[0].CustomID != "bad" || bad[0].Response.StatusCode != http.StatusNotFound {
		t.Errorf("%d good, bad %+v", len(out), bad)
	}

	second := createBatch(t, &ann, chatLines(1, wall.ChatModel), openai.BatchNewParamsEndpointV1ChatCompletions)
	awaitBatch(t, &ann, second.ID, "ended", batchEnded)
	var listed []string
	pages := ann.Batches.ListAutoPaging(ctx, openai.BatchListParams{Limit: openai.Int(1)})
	for pages.Next() {
		listed = append(listed, pages.Current().ID)
	}
	if pages.Err() != nil || len(listed) != 2 || listed[0] != second.ID || listed[1] != made.ID {
		t.Errorf("listed %v, %v", listed, pages.Err())
	}
	files := 0
	all := ann.Files.ListAutoPaging(ctx, openai.FileListParams{Limit: openai.Int(2)})
	for all.Next() {
		files++
	}
	if all.Err() != nil || files != 6 { // three inputs, two outputs, one of errors
		t.Errorf("%d files, %v", files, all.Err())
	}
	if _, err := ann.Batches.Cancel(ctx, made.ID); statusOf(err) != http.StatusBadRequest {
		t.Errorf("cancelled after its end: %v", err)
	}

	// Another caller sees nothing of it.
	_, notBatch := bob.Batches.Get(ctx, made.ID)
	_, notCancel := bob.Batches.Cancel(ctx, made.ID)
	_, notFile := bob.Files.Get(ctx, b.OutputFileID)
	_, notContent := bob.Files.Content(ctx, b.OutputFileID)
	_, notDelete := bob.Files.Delete(ctx, b.OutputFileID)
	for what, err := range map[string]error{"batch": notBatch, "cancel": notCancel, "file": notFile, "content": notContent, "delete": notDelete} {
		if statusOf(err) != http.StatusNotFound {
			t.Errorf("%s of another caller: %v", what, err)
		}
	}
	if none, err := bob.Files.List(ctx, openai.FileListParams{}); err != nil || len(none.Data) != 0 {
		t.Errorf("another caller lists %+v, %v", none, err)
	}
	if gone, err := ann.Files.Delete(ctx, f.ID); err != nil || !gone.Deleted || gone.ID != f.ID {
		t.Errorf("deleted %+v, %v", gone, err)
	}
	if _, err := ann.Files.Get(ctx, f.ID); statusOf(err) != http.StatusNotFound {
		t.Errorf("deleted, and there: %v", err)
	}
	r.counts(21, "smartrouter_batch_lines_total", `result="completed"`)
	r.counts(2, "smartrouter_batches", `status="completed"`)
}

func statusOf(err error) int {
	var e *openai.Error
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}

func TestBatchByTheNodeSDK(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+twoCallers)
	installNode(t, nodeClients)
	run(t, nodeClients, []string{"BASE_URL=" + r.URL, "API_KEY=sk-ann-0123456789abcdef"},
		"node", "--test", "--test-timeout=300000", "--test-reporter=spec", "batches.mjs")
}

func TestBatchMistakes(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+"batch {\n  max_lines = 5\n  max_file = \"4KiB\"\n}\n")
	c := r.sdk("none")
	ctx := t.Context()
	for _, test := range []struct {
		name, lines string
		code, param string
		line        int64
	}{
		{"no JSON", chatLines(1, "m") + "{torn\n", "invalid_json_line", "", 2},
		{"twice", chatLines(1, "m") + chatLines(1, "m"), "duplicate_custom_id", "custom_id", 2},
		{"a stream", strings.Replace(chatLines(1, "m"), `"model"`, `"stream":true,"model"`, 1), "invalid_value", "body.stream", 1},
		{"another endpoint", strings.Replace(chatLines(1, "m"), "chat/completions", "embeddings", 1), "url_mismatch", "url", 1},
		{"too many", chatLines(6, "m"), "too_many_tasks", "", 6},
		{"nothing", "\n", "empty_file", "", 0},
	} {
		b := createBatch(t, &c, test.lines, openai.BatchNewParamsEndpointV1ChatCompletions)
		wait(t, test.name, func() bool {
			var err error
			if b, err = c.Batches.Get(ctx, b.ID); err != nil {
				t.Fatal(err)
			}
			return b.Status == openai.BatchStatusFailed
		})
		if len(b.Errors.Data) != 1 || b.Errors.Data[0].Code != test.code || b.Errors.Data[0].Param != test.param || b.Errors.Data[0].Line != test.line || b.FailedAt == 0 {
			t.Errorf("%s: %s", test.name, b.RawJSON())
		}
	}
	good := uploadBatch(t, &c, chatLines(1, "m"))
	for _, test := range []struct {
		name string
		p    openai.BatchNewParams
	}{
		{"no file", openai.BatchNewParams{InputFileID: "file-none", Endpoint: openai.BatchNewParamsEndpointV1Embeddings, CompletionWindow: "24h"}},
		{"no such endpoint", openai.BatchNewParams{InputFileID: good.ID, Endpoint: openai.BatchNewParamsEndpointV1Videos, CompletionWindow: "24h"}},
		{"no such window", openai.BatchNewParams{InputFileID: good.ID, Endpoint: openai.BatchNewParamsEndpointV1Embeddings, CompletionWindow: "soon"}},
		{"long metadata", openai.BatchNewParams{InputFileID: good.ID, Endpoint: openai.BatchNewParamsEndpointV1Embeddings, CompletionWindow: "24h",
			Metadata: map[string]string{"k": strings.Repeat("v", 513)}}},
	} {
		if _, err := c.Batches.New(ctx, test.p); statusOf(err) != http.StatusBadRequest {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for name, p := range map[string]openai.FileNewParams{
		"purpose":  {File: strings.NewReader("x"), Purpose: openai.FilePurposeAssistants},
		"too long": {File: strings.NewReader(strings.Repeat("x", 5000)), Purpose: openai.FilePurposeBatch},
	} {
		if _, err := c.Files.New(ctx, p); statusOf(err) != map[string]int{"purpose": 400, "too long": 413}[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if resp, body, err := r.post(ctx, "/files", []byte("{}")); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("no form: %s %v", body, err)
	}
	if left, err := filepath.Glob(filepath.Join(r.data, "files", ".new-*")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

func TestBatchOfEveryEndpoint(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	c := r.sdk("none")
	tests := []struct{ endpoint, body, want string }{
		{"/v1/chat/completions", string(chatBody(wall.ChatModel, false, "hello")), `"chat.completion"`},
		{"/v1/completions", `{"model":"` + wall.CompletionModel + `","prompt":"hello"}`, `"text_completion"`},
		{"/v1/embeddings", `{"model":"` + wall.EmbeddingModel + `","input":"hello"}`, `"embedding"`},
		{"/v1/responses", `{"model":"` + wall.ChatModel + `","input":"hello"}`, `"output_text"`},
		{"/v1/moderations", `{"model":"` + wall.ModerationModel + `","input":"hello"}`, `"flagged"`},
		{"/v1/rerank", `{"model":"` + wall.RerankModel + `","query":"q","documents":["a","b"]}`, `"relevance_score"`},
		{"/v1/images/generations", `{"model":"` + wall.ImageModel + `","prompt":"a cat"}`, `"b64_json"`},
		{"/v1/images/edits", `{"model":"` + wall.ImageModel + `","prompt":"a cat","image":["data:image/png;base64,iVBORw0KGgo=","data:image/png;base64,iVBORw0KGgo="]}`, `"b64_json"`},
		{"/v1/images/variations", `{"model":"` + wall.ImageModel + `","n":2,"image":"data:image/png;base64,iVBORw0KGgo="}`, `"b64_json"`},
		{"/v1/audio/translations", `{"model":"` + wall.TranscribeModel + `","file":"data:audio/wav;base64,UklGRg=="}`, `"text"`},
		{"/v1/audio/speech", `{"model":"` + wall.SpeechModel + `","input":"hello","voice":"alloy"}`, `"base64"`},
		{"/v1/audio/transcriptions", `{"model":"` + wall.TranscribeModel + `","file":"data:audio/wav;base64,UklGRg=="}`, `"text"`},
	}
	// The router says which endpoints it has.
	_, err := c.Batches.New(t.Context(), openai.BatchNewParams{InputFileID: "file-none", Endpoint: "/v1/none", CompletionWindow: "24h"})
	if statusOf(err) != http.StatusBadRequest {
		t.Fatal(err)
	}
	_, has, _ := strings.Cut(err.Error(), "It has ")
	for _, path := range regexp.MustCompile(`/v1/[\w/]+`).FindAllString(has, -1) {
		if !slices.ContainsFunc(tests, func(test struct{ endpoint, body, want string }) bool { return test.endpoint == path }) {
			t.Errorf("no line is tested for %s", path)
		}
	}
	for _, test := range tests {
		line := fmt.Sprintf(`{"custom_id":"one","method":"POST","url":%q,"body":%s}`, test.endpoint, test.body)
		made := createBatch(t, &c, line, openai.BatchNewParamsEndpoint(test.endpoint))
		b := awaitBatch(t, &c, made.ID, "ended", batchEnded)
		out := append(batchFile(t, &c, b.OutputFileID), batchFile(t, &c, b.ErrorFileID)...)
		if b.RequestCounts.Completed != 1 || len(out) != 1 || !strings.Contains(string(out[0].Response.Body), test.want) {
			t.Errorf("%s: %s %+v", test.endpoint, b.RawJSON(), out)
		}
	}
}

// A batch over three channels, one of which fails, by a router that is killed
// twice: every line has one result.
func TestBatchSurvivesKills(t *testing.T) {
	t.Parallel()
	n := 10_000
	if testing.Short() {
		n = 3_000
	}
	const atOnce = 64
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Answer("yes"), wall.Remember(0))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Answer("yes"), wall.Remember(0))
	dead := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Remember(0), wall.Faults(wall.Status(500).On("/v1/chat")))
	config := write(t, "router.hcl", listen+channel("a", a.URL(), upstreamKey)+channel("b", b.URL(), upstreamKey)+channel("dead", dead.URL(), upstreamKey)+
		fmt.Sprintf("batch {\n  concurrency = %d\n  per_channel = %d\n}\n", atOnce, atOnce))
	data := filepath.Join(t.TempDir(), "data")
	r := startRouterAt(t, config, data)
	c := r.sdk("none")
	id := createBatch(t, &c, chatLines(n, "m"), openai.BatchNewParamsEndpointV1ChatCompletions).ID
	const kills = 2
	for kill := range kills {
		before := awaitBatch(t, &c, id, "further", func(x *openai.Batch) bool {
			return x.RequestCounts.Completed > int64(n*(kill+1)/(kills+2))
		})
		if batchEnded(before) {
			t.Fatalf("ended before kill %d", kill+1)
		}
		r.stop(syscall.SIGKILL)
		r = startRouterAt(t, config, data)
		c = r.sdk("none")
		after, err := c.Batches.Get(t.Context(), id)
		if err != nil || after.RequestCounts.Completed < before.RequestCounts.Completed {
			t.Fatalf("kill %d: %v\nbefore %s\nafter  %s", kill+1, err, before.RawJSON(), after.RawJSON())
		}
	}
	end := awaitBatch(t, &c, id, "ended", batchEnded)
	if end.RequestCounts.Completed != int64(n) || end.RequestCounts.Failed != 0 || end.ErrorFileID != "" {
		t.Errorf("ended %s", end.RawJSON())
	}
	out := batchFile(t, &c, end.OutputFileID)
	for i, l := range out {
		if l.CustomID != fmt.Sprintf("line-%d", i) || l.Response.StatusCode != 200 {
			t.Fatalf("line %d of %d is %+v", i, len(out), l)
		}
	}
	if len(out) != n {
		t.Errorf("%d results", len(out))
	}
	// Only what was under way at a kill was asked twice.
	asked := a.Counts().Requests + b.Counts().Requests
	t.Logf("%d lines: %d requests to the two that answer, %d to the one that fails", n, asked, dead.Counts().Requests)
	if most := n + kills*atOnce + 100; asked > most { // and lists of models
		t.Errorf("%d requests, want %d at most", asked, most)
	}
	if dead.Counts().Requests == 0 {
		t.Error("the failing channel was not tried")
	}
}

func TestBatchCancelAndExpiry(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "silent"), wall.Faults(wall.Silent().ForModel("silent")))
	lines := chatLines(3, "m") + strings.ReplaceAll(chatLines(40, "silent"), "line-", "silent-")
	for _, test := range []struct {
		name, batch string
		cancel      bool
		status      openai.BatchStatus
		code        string
	}{
		{"cancel", "grace = \"1ms\"", true, openai.BatchStatusCancelled, "batch_cancelled"},
		{"expiry", "grace = \"1ms\"\n  expiry = \"10s\"", false, openai.BatchStatusExpired, "batch_expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+"batch {\n  concurrency = 8\n  per_channel = 8\n  "+test.batch+"\n}\n")
			c := r.sdk("none")
			id := createBatch(t, &c, lines, openai.BatchNewParamsEndpointV1ChatCompletions).ID
			if test.cancel {
				awaitBatch(t, &c, id, "begun", func(b *openai.Batch) bool { return b.RequestCounts.Completed == 3 })
				if b, err := c.Batches.Cancel(t.Context(), id); err != nil || b.Status != openai.BatchStatusCancelling {
					t.Errorf("%+v %v", b, err)
				}
			}
			b := awaitBatch(t, &c, id, "ended", batchEnded)
			out, bad := batchFile(t, &c, b.OutputFileID), batchFile(t, &c, b.ErrorFileID)
			if b.Status != test.status || b.RequestCounts.Completed != 3 || len(out) != 3 || len(bad) != 40 {
				t.Errorf("%d good, %d bad: %s", len(out), len(bad), b.RawJSON())
			}
			for _, l := range bad {
				if l.Response != nil || l.Error.Code != test.code || !strings.HasPrefix(l.CustomID, "silent-") {
					t.Fatalf("%+v", l)
				}
			}
		})
	}
}

// Lines leave a share of a channel's places to live requests, none of which
// ever has to stand in line because of them.
func TestBatchYieldsToLiveRequests(t *testing.T) {
	t.Parallel()
	const latency = 50 * time.Millisecond
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Latency(latency).On("/v1/chat")))
	// Places for two live requests, and for two that are just over.
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey, "max_in_flight = 8")+"batch { share = 0.5 }\n")
	c := r.sdk("none")
	id := createBatch(t, &c, chatLines(60, "m"), openai.BatchNewParamsEndpointV1ChatCompletions).ID
	awaitBatch(t, &c, id, "begun", func(b *openai.Batch) bool { return b.RequestCounts.Completed > 0 })
	if errs := r.load(t.Context(), 2, 20, "m"); len(errs) > 0 {
		t.Errorf("live requests: %v", errs)
	}
	if n := r.metric("smartrouter_queue_wait_seconds_count"); n != 0 {
		t.Errorf("%v requests stood in line", n)
	}
	if b := awaitBatch(t, &c, id, "ended", batchEnded); b.RequestCounts.Completed != 60 {
		t.Errorf("%s", b.RawJSON())
	}
	if most := overlap(chatsAt(w), latency); most > 8 {
		t.Errorf("%d requests at the same time", most)
	}
	if r.metric("smartrouter_batch_lines_total", `result="busy"`) == 0 {
		t.Error("no line had to wait")
	}
}

// Lines have so many places at a channel, and wait for one rather than go to a
// fallback model.
func TestBatchKeepsToItsPlacesAtAChannel(t *testing.T) {
	t.Parallel()
	const latency = 100 * time.Millisecond
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Latency(latency).On("/v1/chat")))
	dear := wall.Start(t, wall.Key(upstreamKey), wall.Models("dear"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+channel("b", dear.URL(), upstreamKey)+`
model "m" { fallbacks = ["dear"] }
batch {
  concurrency = 16
  per_channel = 2
}
`)
	c := r.sdk("none")
	id := createBatch(t, &c, chatLines(40, "m"), openai.BatchNewParamsEndpointV1ChatCompletions).ID
	if b := awaitBatch(t, &c, id, "ended", batchEnded); b.RequestCounts.Completed != 40 {
		t.Errorf("%s", b.RawJSON())
	}
	if most := overlap(chatsAt(w), latency); most != 2 {
		t.Errorf("%d lines at the same time", most)
	}
	for _, q := range dear.Requests() {
		if q.Method == http.MethodPost {
			t.Fatal("a line went to the fallback model")
		}
	}
}

// While a channel that answers has no place for lines, they wait for it, and are
// not sent to one that is banned for its failures.
func TestBatchLeavesABannedChannelAlone(t *testing.T) {
	t.Parallel()
	const lines, perChannel = 200, 2
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Latency(20*time.Millisecond).On("/v1/chat")))
	bad := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Status(500).On("/v1/chat")))
	r := startRouter(t, listen+channel("good", good.URL(), upstreamKey)+channel("bad", bad.URL(), upstreamKey)+
		fmt.Sprintf("batch {\n  concurrency = 16\n  per_channel = %d\n}\n", perChannel))
	// It is banned for a minute; a trial every now and then may end that.
	if resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello")); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %s", err, body)
	}
	c := r.sdk("none")
	id := createBatch(t, &c, chatLines(lines, "m"), openai.BatchNewParamsEndpointV1ChatCompletions).ID
	if b := awaitBatch(t, &c, id, "ended", batchEnded); b.RequestCounts.Completed != lines {
		t.Errorf("%s", b.RawJSON())
	}
	if n := len(chatsAt(bad)); n == 0 || n > lines/5 {
		t.Errorf("the channel that fails was asked %d times for %d lines", n, lines)
	}
}

// On a full disk a batch waits with the answers that it has until there is room,
// and a reload meanwhile changes nothing of that: no line is sent twice.
func TestBatchOverAFullDiskAndAReload(t *testing.T) {
	t.Parallel()
	const lines = 300
	data := disk(t, "16m")
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Latency(20*time.Millisecond).On("/v1/chat")))
	hcl := listen + channel("a", w.URL(), upstreamKey) + "batch {\n  concurrency = 4\n  backoff = \"50ms\"\n  max_backoff = \"200ms\"\n}\n"
	r := startRouterAt(t, write(t, "router.hcl", hcl), data)
	c := r.sdk("none")
	id := createBatch(t, &c, chatLines(lines, "m"), openai.BatchNewParamsEndpointV1ChatCompletions).ID
	awaitBatch(t, &c, id, "begun", func(b *openai.Batch) bool { return b.RequestCounts.Completed > 20 })
	free := fill(t, data)
	wait(t, "an answer is not written", func() bool { return r.metric("smartrouter_batch_write_failures_total") > 0 })
	if err := r.ask(t.Context(), "m", true, "a live request"); err != nil {
		t.Error(err)
	}
	r.rewrite(strings.Replace(hcl, "concurrency = 4", "concurrency = 8", 1))
	r.mustReload()
	if b, err := c.Batches.Get(t.Context(), id); err != nil || b.Status != openai.BatchStatusInProgress {
		t.Errorf("on a full disk: %v %s", err, b.RawJSON())
	}
	free()
	b := awaitBatch(t, &c, id, "ended", batchEnded)
	out := batchFile(t, &c, b.OutputFileID)
	for i, l := range out {
		if l.CustomID != fmt.Sprintf("line-%d", i) {
			t.Fatalf("line %d is %+v", i, l)
		}
	}
	if len(out) != lines || b.RequestCounts.Completed != lines {
		t.Errorf("%d results: %s", len(out), b.RawJSON())
	}
	if n := len(chatsAt(w)); n != lines+1 {
		t.Errorf("%d requests for %d lines and a live one", n, lines)
	}
}

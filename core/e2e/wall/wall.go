// Package wall is a provider to test against: OpenAI's API over real HTTP, simulated strictly.
//
// It answers what the official clients expect and refuses what the real API refuses, with the same statuses and error
// bodies. It remembers every request, so that a test can assert what reached the provider, and it misbehaves on demand.
//
//	wall.go         the provider: options, start and stop, routes
//	exchange.go     one request and its answer: JSON, events, the point where an answer is cut
//	journal.go      what was asked, and how it ended
//	fault.go        ways to misbehave; strike.go carries them out
//	refuse.go       errors in OpenAI's words
//	reply.go        what a model says; schema.go invents values that fit a JSON schema
//	chat.go, chatstream.go, responses.go, responsestream.go, completions.go, embeddings.go, images.go, audio.go, moderations.go, rerank.go, models.go
//	stored.go       responses by their id
//	messages.go     Anthropic's Messages, as strict; ollama.go: Ollama's own API; cohere.go: Cohere's
//	gemini.go       Google's Gemini API; vertex.go: Gemini and Claude on Vertex AI
//	converse.go     Amazon Bedrock's Converse; sigv4.go checks signatures
//	azure.go        Azure OpenAI: other addresses for the same
//
// Shapes follow https://developers.openai.com/api/reference and the types that openai-go generates from the same
// specification. Request fields that the specification does not know come back in the answer's x_echo.
package wall

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Models that a wall serves unless [Models] says otherwise, by what they are for.
const (
	ChatModel       = "gpt-4o-mini"
	CompletionModel = "gpt-3.5-turbo-instruct"
	EmbeddingModel  = "text-embedding-3-small"
	ImageModel      = "gpt-image-1"
	SpeechModel     = "gpt-4o-mini-tts"
	TranscribeModel = "whisper-1"
	ModerationModel = "omni-moderation-latest"
	RerankModel     = "rerank-v3.5"
)

// Wall is a simulated provider. All its methods may be called while it serves.
type Wall struct {
	keys   []string
	models []string
	answer string
	// account may have tokens of Vertex AI.
	account    string
	accountKey *rsa.PublicKey
	pace       time.Duration

	journal journal
	faults  atomic.Pointer[[]*armed]
	stored  stored
	began   int64  // Unix seconds: when models were made
	name    string // in its ids, so that no two walls give the same

	server  *http.Server
	base    atomic.Pointer[string]
	closing chan struct{}
	close   sync.Once
	ids     atomic.Int64
	conns   atomic.Int64
}

// Option changes a wall before it serves.
type Option func(*Wall)

// Key makes the wall ask for one of keys as a bearer token. Without it every request is let in.
func Key(keys ...string) Option { return func(w *Wall) { w.keys = keys } }

// Models replaces the models that the wall serves.
func Models(names ...string) Option { return func(w *Wall) { w.models = names } }

// Answer makes every text answer this one, instead of one that repeats what was asked.
func Answer(text string) Option { return func(w *Wall) { w.answer = text } }

// Pace waits so long between two events of a stream. Default: no wait.
func Pace(gap time.Duration) Option { return func(w *Wall) { w.pace = gap } }

// Remember keeps the last n requests, at most 2n; 0 keeps none. Default: 4096.
func Remember(n int) Option { return func(w *Wall) { w.journal.keep = n } }

// Faults is [Wall.Break] before the first request.
func Faults(faults ...Fault) Option { return func(w *Wall) { w.Break(faults...) } }

// New returns a wall that does not serve yet.
func New(options ...Option) *Wall {
	w := &Wall{
		models: []string{
			ChatModel, CompletionModel, EmbeddingModel, ImageModel,
			SpeechModel, TranscribeModel, ModerationModel, RerankModel,
		},
		journal: journal{keep: 4096, changed: make(chan struct{})},
		began:   time.Now().Unix(),
		name:    "wall" + rand.Text()[:8] + "n",
		closing: make(chan struct{}),
	}
	for _, option := range options {
		option(w)
	}
	w.server = &http.Server{
		Handler: w,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connID{}, w.conns.Add(1))
		},
		// Resets are what this server is for: net/http's remarks about them would only hide a test's own output.
		ErrorLog: quiet(),
	}
	return w
}

// Start serves on a free port of the loopback until the test ends.
func Start(t testing.TB, options ...Option) *Wall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("wall: %v", err)
	}
	w := New(options...)
	w.at(l)
	served := make(chan error, 1)
	go func() { served <- w.Serve(l) }()
	t.Cleanup(func() {
		w.Close()
		if err := <-served; err != nil {
			t.Errorf("wall: %v", err)
		}
	})
	return w
}

// Dead returns a base URL on which nothing listens.
func Dead(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("wall: %v", err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/v1"
}

// Serve answers on l until [Wall.Close], and then returns nil.
func (w *Wall) Serve(l net.Listener) error {
	w.at(l)
	if err := w.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("wall: %w", err)
	}
	return nil
}

func (w *Wall) at(l net.Listener) {
	base := "http://" + l.Addr().String() + "/v1"
	w.base.Store(&base)
}

// URL is the base URL that clients take, such as http://127.0.0.1:4711/v1; empty before [Wall.Serve].
func (w *Wall) URL() string {
	if base := w.base.Load(); base != nil {
		return *base
	}
	return ""
}

// Close ends all connections, those of silent and stalled answers too.
func (w *Wall) Close() {
	w.close.Do(func() {
		close(w.closing)
		_ = w.server.Close() // only says what the listener said, which is closed now
	})
}

type connID struct{}

// route is one operation: a method on a path.
type route struct {
	method string
	answer func(*exchange)
}

var routes = map[string]route{
	"/v1/models":               {http.MethodGet, (*exchange).listModels},
	"/v1/chat/completions":     {http.MethodPost, (*exchange).chat},
	"/v1/completions":          {http.MethodPost, (*exchange).completeText},
	"/v1/embeddings":           {http.MethodPost, (*exchange).embed},
	"/v1/responses":            {http.MethodPost, (*exchange).respond},
	"/v1/images/generations":   {http.MethodPost, (*exchange).drawImages},
	"/v1/images/edits":         {http.MethodPost, (*exchange).editImages},
	"/v1/images/variations":    {http.MethodPost, (*exchange).varyImages},
	"/v1/audio/speech":         {http.MethodPost, (*exchange).speak},
	"/v1/audio/transcriptions": {http.MethodPost, (*exchange).transcribe},
	"/v1/audio/translations":   {http.MethodPost, (*exchange).translate},
	"/v1/moderations":          {http.MethodPost, (*exchange).moderate},
	"/v1/rerank":               {http.MethodPost, (*exchange).rerank},

	"/token": {http.MethodPost, (*exchange).giveToken},

	"/v1/messages":              {http.MethodPost, (*exchange).messages},
	"/v1/messages/count_tokens": {http.MethodPost, (*exchange).countTokens},

	"/v2/chat":   {http.MethodPost, (*exchange).cohereChat},
	"/v2/embed":  {http.MethodPost, (*exchange).cohereEmbed},
	"/v2/rerank": {http.MethodPost, (*exchange).cohereRerank},

	"/api/chat":  {http.MethodPost, (*exchange).ollamaChat},
	"/api/embed": {http.MethodPost, (*exchange).ollamaEmbed},
	"/api/tags":  {http.MethodGet, (*exchange).ollamaTags},
}

// ServeHTTP is one exchange: read, remember, misbehave if it is due, refuse or answer.
func (w *Wall) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	x := &exchange{wall: w, writer: rw, control: http.NewResponseController(rw), request: r}
	body, err := io.ReadAll(r.Body)
	if id, ok := r.Context().Value(connID{}).(int64); ok {
		x.conn = id
	}
	x.body = body
	malformed := x.parse()
	x.record = w.journal.begin(x)
	defer func() { w.journal.end(x) }()
	if err != nil {
		return // the client left while it sent
	}
	h := rw.Header()
	h["X-Request-Id"] = []string{x.id("req_")}
	h["Openai-Version"] = []string{"2020-10-01"}
	h["Openai-Processing-Ms"] = []string{"1"}
	fault, ok := w.due(x)
	if !ok || fault != nil && x.strike(fault) {
		return
	}
	if refusal := w.admit(r, body); refusal != nil {
		x.refuse(refusal)
		return
	}
	found, known := routes[r.URL.Path]
	switch {
	case isAzure(r):
		var refused *refusal
		if found, refused = x.azureRoute(); refused != nil {
			x.refuse(refused)
			return
		}
		known = true
	case isBedrock(r):
		found, known = route{http.MethodPost, (*exchange).converse}, true
	case isVertex(r, "anthropic"):
		found, known = route{http.MethodPost, (*exchange).claudeOnVertex}, true
	case isGemini(r):
		found, known = route{r.Method, (*exchange).gemini}, true
	case !known && strings.HasPrefix(r.URL.Path, "/v1/models/"):
		found, known = route{http.MethodGet, (*exchange).showModel}, true
	case !known && strings.HasPrefix(r.URL.Path, "/v1/responses/"):
		found, known = route{r.Method, (*exchange).storedResponse}, true
	}
	switch {
	case !known:
		x.refuse(noSuchURL(r))
	case found.method != r.Method:
		x.refuse(wrongMethod(r))
	case malformed != nil:
		x.refuse(malformed)
	default:
		found.answer(x)
	}
}

// admit checks the key.
func (w *Wall) admit(r *http.Request, body []byte) *refusal {
	switch {
	case r.URL.Path == "/token": // whose credential is in its body
		return nil
	case isBedrock(r):
		return w.admitBedrock(r, body)
	case isAzure(r):
		return w.admitAzure(r)
	case isVertex(r, ""):
		return w.admitVertex(r)
	case isGemini(r):
		return w.admitGemini(r)
	case isAnthropic(r):
		return w.admitAnthropic(r)
	}
	if len(w.keys) == 0 {
		return nil
	}
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !bearer || key == "":
		return noKey()
	case !slices.Contains(w.keys, key):
		return wrongKey(key)
	}
	return nil
}

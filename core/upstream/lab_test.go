package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen soon.
// It is shorter than the time-outs by which an upstream is given up otherwise.
const patience = time.Minute

const secret = "sk-very-secret-0123456789"

// model that every channel of a lab has.
const model = "gpt-4o-mini"

var rules = config.Call{
	MaxAttempts: 6, Patience: 5 * time.Second, HoldHeaders: 15 * time.Second, WholeAnswer: 1 << 20, ErrorBody: 1 << 10,
	Rescue: config.RescueOff, RescueTimeout: 10 * time.Second,
}

// lab is a dispatcher over some channels, each with one target, and a server
// whose clients it serves.
type lab struct {
	t          testing.TB
	board      *board.Board
	dispatcher *Dispatcher
	prepare    *prepared
	targets    []*board.Target
	fallback   []int // of each target
	log        *syncBuffer

	mu       sync.Mutex
	outcomes []Outcome
	change   func(*Call)
	front    *httptest.Server
}

// spec is a channel of a lab.
type spec struct {
	url      string
	fallback int
	change   func(*config.Channel)
}

func at(url string) spec { return spec{url: url} }

func newLab(t testing.TB, specs ...spec) *lab {
	t.Helper()
	cfg := &config.Config{}
	for i, s := range specs {
		c := &config.Channel{
			Name: "channel-" + string(rune('a'+i)), Provider: &config.Provider{Name: "test"}, BaseURL: s.url,
			Secret: secret, Models: []string{model}, Weight: 1, Queue: config.Defaults.Channel.Queue,
			Timeouts: config.Defaults.Timeouts, Pool: config.Defaults.Pool,
		}
		if s.change != nil {
			s.change(c)
		}
		cfg.Channels = append(cfg.Channels, c)
	}
	l := &lab{t: t, board: board.New(nil), prepare: &prepared{auth: sdk.Auth{Kind: sdk.AuthBearer}}, log: &syncBuffer{}}
	l.board.Apply(cfg)
	for _, target := range l.board.View().Targets {
		l.targets = append(l.targets, target)
		l.fallback = append(l.fallback, specs[len(l.fallback)].fallback)
	}
	l.dispatcher = New(Options{
		Board: l.board, Preparer: l.prepare,
		Log: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: l.log}),
	})
	t.Cleanup(l.dispatcher.Close)
	return l
}

// serve begins to take clients. The calls' endpoint is the path's.
func (l *lab) serve() string {
	l.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c := l.call(sdk.Endpoint(strings.TrimPrefix(r.URL.Path, "/")), r.Header, body)
		out := l.dispatcher.Forward(r.Context(), w, c, l.plan())
		if !out.Committed && out.Err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(out.Err.Status)
			w.Write(openai.AppendError(nil, out.Err))
		}
		l.mu.Lock()
		l.outcomes = append(l.outcomes, out)
		l.mu.Unlock()
	}))
	l.front.Config.ErrorLog = nil
	l.t.Cleanup(l.front.Close)
	return l.front.URL
}

func (l *lab) call(e sdk.Endpoint, h http.Header, body []byte) *Call {
	l.t.Helper()
	c := &Call{
		Endpoint: e, Header: h, Body: body, ContentType: h.Get("Content-Type"), Rules: rules,
		KeepAlive: 15 * time.Second, WriteTimeout: 30 * time.Second,
	}
	if c.ContentType == "" {
		c.ContentType = "application/json"
	}
	read := openai.ReadRequest
	if openai.IsForm(c.ContentType) {
		read = func(e sdk.Endpoint, body []byte) (wire.Request, error) {
			return openai.ReadForm(e, c.ContentType, body)
		}
	}
	r, err := read(e, body)
	if err != nil {
		l.t.Errorf("the test's own request: %v", err)
	}
	c.Request = &r
	if l.change != nil {
		l.change(c)
	}
	return c
}

func (l *lab) plan() Targets { return &plan{lab: l} }

// plan gives a lab's targets in their order.
type plan struct {
	lab *lab
	at  int
}

func (p *plan) Next(time.Time) (*board.Target, int, bool) {
	if p.at == len(p.lab.targets) {
		return nil, 0, false
	}
	p.at++
	return p.lab.targets[p.at-1], p.lab.fallback[p.at-1], true
}

// outcome is the only one so far.
func (l *lab) outcome() Outcome {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		l.mu.Lock()
		n := len(l.outcomes)
		if n == 1 {
			defer l.mu.Unlock()
			return l.outcomes[0]
		}
		l.mu.Unlock()
		if n > 1 || time.Now().After(deadline) {
			l.t.Fatalf("%d outcomes, want 1", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// settled checks that the board counts nothing as under way.
func (l *lab) settled() {
	l.t.Helper()
	for _, t := range l.targets {
		if t.InFlight() != 0 || t.Channel.InFlight() != 0 {
			l.t.Errorf("%s has %d under way, its channel %d", t.Name(), t.InFlight(), t.Channel.InFlight())
		}
	}
}

// prepared is a Preparer for OpenAI's paths below the base URL.
type prepared struct {
	mu     sync.Mutex
	auth   sdk.Auth
	change func(*sdk.Prepared)
	forgot int
	// translator is the adapter's, for the codec own.
	translator sdk.Translator
	prepare    func(c *board.Channel, m string, e sdk.Endpoint) (*sdk.Prepared, error)
}

var paths = map[sdk.Endpoint]string{
	sdk.Chat: "/chat/completions", sdk.Speech: "/audio/speech", sdk.Transcription: "/audio/transcriptions",
}

func (p *prepared) Prepare(_ context.Context, c *board.Channel, m string, e sdk.Endpoint, _ bool) (*sdk.Prepared, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prepare != nil {
		return p.prepare(c, m, e)
	}
	path, ok := paths[e]
	if !ok {
		path = "/" + string(e)
	}
	out := &sdk.Prepared{URL: c.Config.BaseURL + path, Auth: p.auth, Codec: "openai"}
	if p.change != nil {
		p.change(out)
	}
	return out, nil
}

func (p *prepared) Translator(*board.Channel) (sdk.Translator, error) { return p.translator, nil }

func (p *prepared) Forget(*board.Channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgot++
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const (
	question = `{"model":"` + model + `","messages":[{"role":"user","content":"Say a few words about the sea"}]}`
	streamed = `{"model":"` + model + `","messages":[{"role":"user","content":"Say a few words about the sea"}],"stream":true}`
)

// reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func ask(t testing.TB, url string, e sdk.Endpoint, body string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/"+string(e), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(text), err}
}

// raw is an upstream of bare sockets: do gets each connection.
func raw(t testing.TB, do func(n int, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				do(n, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// manner is how an upstream behaves.
type manner int

const (
	healthy manner = iota
	// failing lists its models and refuses requests, with an error page that
	// comes piece by piece.
	failing
	// down refuses everything, at once.
	down
)

const (
	// pageBytes and pagePieces are of a failing upstream's error page; there is
	// a round trip between two pieces.
	pageBytes  = 64 << 10
	pagePieces = 6
	// words of a stream.
	words = 20
)

// An upstream is a simulated provider: HTTPS with HTTP/2, a round trip away.
type upstream struct {
	base   string // URL for clients, such as https://127.0.0.1:4711/v1
	manner manner
	world  *world
	server *http.Server
	lag    *lag

	requests atomic.Int64
	answered atomic.Int64 // when it listed its models last, in Unix nanoseconds
	tokens   atomic.Int64 // generated
}

// A world is what all upstreams have in common.
type world struct {
	trip  time.Duration // there and back
	think time.Duration // that a model takes before its first word
	gap   time.Duration // between two words
	names []string      // of the models

	cert  tls.Certificate
	roots *x509.CertPool
	pem   []byte // of the certificate
}

// newWorld makes the certificate.
func newWorld(trip time.Duration, models int) (*world, error) {
	w := &world{trip: trip, think: trip, gap: trip / 5, roots: x509.NewCertPool()}
	for i := range models {
		w.names = append(w.names, fmt.Sprintf("m%d", i))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	about := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return nil, err
	}
	w.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	w.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.roots.AppendCertsFromPEM(w.pem)
	return w, nil
}

// start runs an upstream until its stop.
func (w *world) start(m manner) (*upstream, error) {
	u := &upstream{manner: m, world: w}
	near, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u.server = &http.Server{
		Handler: u, ErrorLog: log.New(io.Discard, "", 0), // clients that hang up are what is measured
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{w.cert}, MinVersion: tls.VersionTLS12},
	}
	go u.server.ServeTLS(near, "", "")
	if u.lag, err = newLag(near.Addr().String(), w.trip); err != nil {
		u.server.Close()
		return nil, err
	}
	u.base = "https://" + u.lag.Addr().String() + "/v1"
	return u, nil
}

func (u *upstream) stop() {
	u.lag.Close()
	u.server.Close()
}

// ServeHTTP answers in OpenAI's form.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		return // the router opens a connection
	}
	u.requests.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case u.manner == down:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error":{"message":"down"}}`)
	case r.URL.Path == "/v1/models":
		u.list(w)
	case u.manner == failing:
		u.page(w)
	case r.URL.Path == "/v1/embeddings":
		fmt.Fprint(w, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`)
	case bytes.Contains(body, []byte(`"stream":true`)):
		u.stream(w)
	default:
		var asked struct {
			MaxTokens int `json:"max_tokens"`
		}
		if err := json.Unmarshal(body, &asked); err != nil || asked.MaxTokens < 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		words := asked.MaxTokens
		time.Sleep(u.world.think + time.Duration(words-1)*u.world.gap)
		u.tokens.Add(int64(words))
		fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%q},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":%d,"total_tokens":%d}}`,
			strings.Repeat("word ", words), words, words+4)
	}
}

func (u *upstream) list(w io.Writer) {
	type model struct {
		ID string `json:"id"`
	}
	var all struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}
	all.Object = "list"
	for _, name := range u.world.names {
		all.Data = append(all.Data, model{name})
	}
	json.NewEncoder(w).Encode(all)
	u.answered.Store(time.Now().UnixNano())
}

func (u *upstream) page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusServiceUnavailable)
	piece := bytes.Repeat([]byte("<p>Sorry.</p>\n"), pageBytes/pagePieces/14)
	for i := range pagePieces {
		if i > 0 {
			time.Sleep(u.world.trip)
		}
		if _, err := w.Write(piece); err != nil {
			return // whoever asked has read enough
		}
		http.NewResponseController(w).Flush()
	}
}

func (u *upstream) stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	const event = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}` + "\n\n"
	send := func(delta, finish string) {
		fmt.Fprintf(w, event, delta, finish)
		http.NewResponseController(w).Flush()
	}
	time.Sleep(u.world.think)
	send(`{"role":"assistant","content":""}`, "null")
	for i := range words {
		if i > 0 {
			time.Sleep(u.world.gap)
		}
		u.tokens.Add(1)
		send(`{"content":"word "}`, "null")
	}
	send(`{}`, `"stop"`)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

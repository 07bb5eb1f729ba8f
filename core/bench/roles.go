package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// rolePrefix marks the hidden argument that makes the bench play a part.
const rolePrefix = "role:"

// selectorRole is that of a selector whose plans are not leased.
const selectorRole = rolePrefix + "selector"

// each is that selector.
type each struct{}

// Select is part of sdk.Selector.
func (each) Select(_ context.Context, _ sdk.Request, all []sdk.Candidate) (sdk.Plan, error) {
	plan := sdk.InOrder(all...)
	plan.Lease = sdk.NoLease
	return plan, nil
}

// play is the main function of a part.
func play(role string, args []string) error {
	if role == selectorRole {
		sdk.Serve(&sdk.Plugin{Name: "each", Version: "1", Reads: []sdk.Fact{sdk.FactModel}, Selector: each{}})
		return nil
	}
	if role == rolePrefix+"secure" && len(args) == 1 {
		return serveSecurely(args[0])
	}
	l, err := listen()
	if err != nil {
		return err
	}
	if role == rolePrefix+"floor" && len(args) == 2 {
		return (&http.Server{Handler: reverseProxy(args[0], args[1]), ErrorLog: silent}).Serve(l)
	}
	if role == rolePrefix+"upstream" {
		return serveUpstream(l)
	}
	return fmt.Errorf("unknown role %s %v", role, args)
}

// silent, as ReverseProxy would log each stream that it breaks; we count them.
var silent = log.New(io.Discard, "", 0)

// reverseProxy is the floor: what a Go program can't help but spend on a proxy
// made of the standard library.
func reverseProxy(scheme, upstream string) http.Handler {
	const connections = 1024 // kept idle; with few, it dials for most requests
	to := &url.URL{Scheme: scheme, Host: upstream}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{
			MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
			IdleConnTimeout: time.Minute, DisableCompression: true,
			ReadBufferSize: proxyBuffer, WriteBufferSize: proxyBuffer, ForceAttemptHTTP2: true,
		},
		BufferPool: &buffers{sync.Pool{New: func() any { return new([proxyBuffer]byte) }}},
		ErrorLog:   silent,
	}
}

const proxyBuffer = 32 << 10 // bytes

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().(*[proxyBuffer]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[proxyBuffer]byte)(p)) }

// chunks is how many events with content a stream has.
const chunks = 100

// The mock's answers, as they are on the wire.
var (
	modelsAnswer = whole("200 OK", `{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"bench"}]}`)
	noSuchPath   = whole("404 Not Found", `{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}}`)
	chatAnswer   = whole("200 OK", `{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"`+
		strings.Repeat("An answer of some words. ", 32)+`"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":256,"completion_tokens":200,"total_tokens":456}}`)
	chatStream = stream()
)

func whole(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// stream has the pieces that are written one by one, as a provider does.
func stream() [][]byte {
	var pieces [][]byte
	text := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	for i := range chunks {
		delta, finish, last := `{"content":" word"}`, "null", ""
		switch i {
		case 0:
			delta = `{"role":"assistant","content":"A"}`
		case chunks - 1:
			finish, last = `"stop"`, "data: [DONE]\n\n"
		}
		event := fmt.Sprintf(`data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", delta, finish) + last
		text += fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
		if i == chunks-1 {
			text += "0\r\n\r\n"
		}
		pieces = append(pieces, []byte(text))
		text = ""
	}
	return pieces
}

const (
	// slowUser asks for a stream that has so long between two of its events.
	slowUser = "slow"
	slowGap  = time.Second
)

// serveUpstream is the mock provider. It does without http.Server, to leave the
// CPUs to what is measured.
func serveUpstream(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go serveConn(conn)
	}
}

func serveConn(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	head := make([]byte, 256) // enough of a body to know whether a stream is wanted
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		n, _ := io.ReadFull(r.Body, head) // a body may be shorter; what is wrong with it shows next
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		pieces := [][]byte{noSuchPath}
		switch {
		case r.URL.Path == "/v1/models":
			pieces[0] = modelsAnswer
		case r.URL.Path == "/v1/chat/completions" && bytes.Contains(head[:n], []byte(`"stream":true`)):
			pieces = chatStream
		case r.URL.Path == "/v1/chat/completions":
			pieces[0] = chatAnswer
		}
		slow := bytes.Contains(head[:n], []byte(`"user":"`+slowUser+`"`))
		for _, piece := range pieces {
			if _, err := conn.Write(piece); err != nil {
				return
			}
			if slow {
				time.Sleep(slowGap)
			}
		}
		if r.Close {
			return
		}
	}
}

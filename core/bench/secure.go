package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
)

// trustVariable names the file that programs take for the authorities of the
// system.
const trustVariable = "SSL_CERT_FILE"

// http1Origin begins the paths that are asked for by HTTP/1.1; all others are by HTTP/2.
const http1Origin = "/http1"

// serveSecurely is the mock provider by TLS, as net/http has it.
// What to trust is written to a file.
func serveSecurely(file string) error {
	s := httptest.NewUnstartedServer(http.HandlerFunc(answerSecurely))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "listening on", s.Listener.Addr())
	select {} // it is killed
}

func answerSecurely(w http.ResponseWriter, r *http.Request) {
	path, http1 := strings.CutPrefix(r.URL.Path, http1Origin)
	if http1 != (r.ProtoMajor == 1) {
		http.Error(w, "this is "+r.Proto, http.StatusHTTPVersionNotSupported)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	answer := chatAnswer
	switch path {
	case "/v1/models":
		answer = modelsAnswer
	case "/v1/chat/completions":
	default:
		http.NotFound(w, r)
		return
	}
	_, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client sees what is missing
}

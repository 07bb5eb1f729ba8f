package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

// trustVariable names the file that programs take for the authorities of the
// system.
const trustVariable = "SSL_CERT_FILE"

// serveSecurely is the mock provider by TLS and HTTP/2, as net/http has them.
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
	if r.ProtoMajor != 2 {
		http.Error(w, "this is no HTTP/2", http.StatusHTTPVersionNotSupported)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	answer := chatAnswer
	switch r.URL.Path {
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

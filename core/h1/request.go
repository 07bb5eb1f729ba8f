package h1

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// refusedHead is a request that can't be taken, with the status that says so.
// Nothing that follows it on its connection is believed.
type refusedHead struct {
	status int
	why    error
}

func (e *refusedHead) Error() string { return e.why.Error() }
func (e *refusedHead) Unwrap() error { return e.why }

func refuse(status int, why string) error {
	return &refusedHead{status, malformed("%s", why)}
}

// requestHead is a request's, read.
type requestHead struct {
	message
	method, target, host string
	url                  url.URL
	expect               bool // it waits for a word before it sends its body
}

// parse reads a head, of which there is one string. It is stricter than with
// answers: where two readers of the same bytes may see different requests, none
// is taken.
func (h *requestHead) parse(text string) error {
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		return refuse(http.StatusBadRequest, "a line feed without a carriage return")
	}
	line, rest, ok := cutLine(text)
	if !ok {
		return refuse(http.StatusBadRequest, "a lone carriage return")
	}
	if err := h.requestLine(line); err != nil {
		return err
	}
	if err := h.fields(rest); err != nil {
		return &refusedHead{http.StatusBadRequest, err}
	}
	coding := h.header["Transfer-Encoding"]
	if err := h.framing(); err != nil {
		status := http.StatusBadRequest
		if len(coding) == 1 && !strings.EqualFold(coding[0], "chunked") {
			status = http.StatusNotImplemented
		}
		return &refusedHead{status, err}
	}
	return h.meaning()
}

// requestLine reads "POST /v1/models HTTP/1.1".
func (h *requestHead) requestLine(line string) error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || target == "" || !httpguts.ValidHeaderFieldName(method) {
		return refuse(http.StatusBadRequest, "its first line is no request's")
	}
	switch version {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
	default:
		if strings.HasPrefix(version, "HTTP/") {
			return refuse(http.StatusHTTPVersionNotSupported, "of another version")
		}
		return refuse(http.StatusBadRequest, "its first line is no request's")
	}
	h.method, h.target = method, target
	if plain(target) {
		h.url.Path = target
		return nil
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return refuse(http.StatusBadRequest, "a control character in its target")
		}
	}
	// An authority alone is what CONNECT asks for, which nobody here serves.
	if method == http.MethodConnect && target[0] != '/' {
		return refuse(http.StatusNotImplemented, "it asks for a tunnel")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return refuse(http.StatusBadRequest, "its target is no path")
	}
	h.url = *u
	return nil
}

// plain reports whether a target is a path that means what it says: nothing in
// it is escaped, and there is no query.
func plain(target string) bool {
	if target[0] != '/' || len(target) > 1 && target[1] == '/' {
		return false
	}
	for i := range len(target) {
		switch c := target[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '/', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

// meaning checks the fields that say what the rest means.
func (h *requestHead) meaning() error {
	hosts := h.header["Host"]
	switch {
	case len(hosts) > 1:
		return refuse(http.StatusBadRequest, "more than one Host")
	case len(hosts) == 0 && h.minor == 1:
		return refuse(http.StatusBadRequest, "no Host")
	case len(hosts) == 1:
		h.host = hosts[0]
		delete(h.header, "Host")
		if !httpguts.ValidHostHeader(h.host) {
			return refuse(http.StatusBadRequest, "its Host is none")
		}
	}
	if h.url.Host != "" {
		h.host = h.url.Host // RFC 9112, 3.2.2: the target's goes first
	}
	if expect := h.header["Expect"]; expect != nil {
		if len(expect) > 1 || !strings.EqualFold(expect[0], "100-continue") {
			return refuse(http.StatusExpectationFailed, "it expects what nobody promises")
		}
		h.expect = h.minor == 1
	}
	if h.length < 0 && !h.chunked {
		h.length = 0
	}
	return nil
}

// isWhole tells whether the request's body has come. One in chunks, or for which
// the client waits for a word, is looked at by who reads it.
func (h *requestHead) isWhole(in *input) bool {
	return !h.chunked && !h.expect && h.length <= int64(len(in.buffered()))
}

package h1

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// head is an answer's, read.
type head struct {
	message
	status int
}

// message is what the heads of requests and answers have in common.
type message struct {
	minor   int // of the protocol, which is HTTP/1.0 or HTTP/1.1
	header  http.Header
	length  int64 // -1: none is given
	chunked bool
	keep    bool // the connection stays open
	room    *room
}

// room is the memory of a header. It serves another message once somebody says
// that nobody looks at this one any more.
type room struct {
	header http.Header
	values []string
}

// maxRoom is how many fields a header may have whose memory is kept.
const maxRoom = 64

var rooms = sync.Pool{New: func() any { return &room{header: make(http.Header, 8)} }}

func (r *room) give() {
	if r == nil || len(r.header) > maxRoom {
		return
	}
	clear(r.header)
	clear(r.values)
	rooms.Put(r)
}

// parse reads a head, of which there is one string: names and values are parts
// of it.
func (h *head) parse(text string) error {
	line, rest, ok := cutLine(text)
	if !ok {
		return malformed("a lone carriage return")
	}
	if err := h.statusLine(line); err != nil {
		return err
	}
	if err := h.fields(rest); err != nil {
		return err
	}
	return h.framing()
}

// fields reads all lines behind the first one.
func (h *message) fields(rest string) error {
	n := strings.Count(rest, "\n") - 1
	h.room = rooms.Get().(*room)
	if cap(h.room.values) < n {
		h.room.values = make([]string, n)
	}
	h.room.values = h.room.values[:n]
	values := h.room.values
	h.header = h.room.header
	for i := 0; ; i++ {
		var line string
		var ok bool
		if line, rest, ok = cutLine(rest); !ok {
			return malformed("a lone carriage return")
		}
		if line == "" {
			return nil
		}
		name, value, err := field(line)
		if err != nil {
			return err
		}
		if before := h.header[name]; before != nil {
			h.header[name] = append(before, value)
			continue
		}
		values[i] = value
		h.header[name] = values[i : i+1 : i+1]
	}
}

// cutLine cuts the first line off, which must be there. It is not ok where
// there is a carriage return anywhere else than before the line feed.
func cutLine(text string) (line, rest string, ok bool) {
	i := strings.IndexByte(text, '\n')
	line, rest = strings.TrimSuffix(text[:i], "\r"), text[i+1:]
	return line, rest, strings.IndexByte(line, '\r') < 0
}

// statusLine reads "HTTP/1.1 200 OK", of which the last word may be missing.
func (h *head) statusLine(line string) error {
	const version = "HTTP/1."
	if len(line) < len(version)+5 || line[:len(version)] != version {
		return malformed("it does not begin like one of HTTP/1.1")
	}
	line = line[len(version):]
	switch line[0] {
	case '0', '1':
		h.minor = int(line[0] - '0')
	default:
		return malformed("of a protocol that was not asked for")
	}
	if line[1] != ' ' || len(line) > 5 && line[5] != ' ' {
		return malformed("its status is not one of three digits")
	}
	for _, c := range []byte(line[2:5]) {
		if c < '0' || c > '9' {
			return malformed("its status is not one of three digits")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return malformed("status %d", h.status)
	}
	if !httpguts.ValidHeaderFieldValue(line[5:]) {
		return malformed("a control character in its status line")
	}
	return nil
}

// field reads "name: value".
func field(line string) (name, value string, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return "", "", malformed("a folded header line")
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || !httpguts.ValidHeaderFieldName(name) {
		return "", "", malformed("a header line without a name")
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return "", "", malformed("a control character in a header value")
	}
	if known, ok := names[name]; ok {
		name = known
	} else {
		name = http.CanonicalHeaderKey(name)
	}
	return name, strings.Trim(value, " \t"), nil
}

// framing finds out where the body ends, and what becomes of the connection.
func (h *message) framing() error {
	h.length = -1
	lengths := h.header["Content-Length"]
	if codings := h.header["Transfer-Encoding"]; codings != nil {
		switch {
		case len(lengths) > 0:
			return malformed("both a length and a transfer encoding")
		case h.minor == 0:
			return malformed("a transfer encoding in HTTP/1.0")
		case len(codings) != 1 || !strings.EqualFold(codings[0], "chunked"):
			return malformed("a transfer encoding other than chunked")
		}
		h.chunked = true
		delete(h.header, "Transfer-Encoding")
	}
	for _, v := range lengths {
		n, err := strconv.ParseUint(v, 10, 63)
		if err != nil || h.length >= 0 && h.length != int64(n) {
			return malformed("a length that is not one number")
		}
		h.length = int64(n)
	}
	if len(lengths) > 1 {
		h.header["Content-Length"] = lengths[:1]
	}
	connection := h.header["Connection"]
	switch {
	case connection == nil:
		h.keep = h.minor == 1
	case httpguts.HeaderValuesContainsToken(connection, "close"):
	default:
		h.keep = h.minor == 1 || httpguts.HeaderValuesContainsToken(connection, "keep-alive")
	}
	return nil
}

// names are those that messages have, by how they are written, so that writing
// them properly allocates nothing.
var names = func() map[string]string {
	all := map[string]string{}
	for _, name := range [...]string{
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Age", "Alt-Svc", "Cache-Control",
		"Cf-Cache-Status", "Cf-Ray", "Connection", "Content-Disposition", "Content-Encoding", "Content-Length",
		"Content-Type", "Date", "Etag", "Expires", "Keep-Alive", "Openai-Model", "Openai-Organization",
		"Openai-Processing-Ms", "Openai-Project", "Openai-Version", "Request-Id", "Retry-After", "Retry-After-Ms",
		"Server", "Set-Cookie", "Strict-Transport-Security", "Transfer-Encoding", "Vary", "Via",
		"X-Content-Type-Options", "X-Envoy-Upstream-Service-Time", "X-Ratelimit-Limit-Requests",
		"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Remaining-Tokens",
		"X-Ratelimit-Reset-Requests", "X-Ratelimit-Reset-Tokens", "X-Request-Id",
		// And those of requests.
		"Accept", "Accept-Encoding", "Accept-Language", "Anthropic-Beta", "Anthropic-Version", "Api-Key",
		"Authorization", "Expect", "Host", "Idempotency-Key", "Openai-Beta", "Origin", "Referer", "Sec-Fetch-Mode",
		"Traceparent", "Tracestate", "User-Agent", "X-Api-Key", "X-Forwarded-For", "X-Forwarded-Host",
		"X-Forwarded-Proto", "X-Goog-Api-Key", "X-Smartrouter-Cache-Ttl", "X-Smartrouter-Region",
		"X-Stainless-Arch", "X-Stainless-Lang", "X-Stainless-Os", "X-Stainless-Package-Version",
		"X-Stainless-Retry-Count", "X-Stainless-Runtime", "X-Stainless-Runtime-Version", "X-Stainless-Timeout",
	} {
		all[name] = name
		all[strings.ToLower(name)] = name
	}
	return all
}()

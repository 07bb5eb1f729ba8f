package h1

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// reply is an answer on its way: the http.ResponseWriter of a handler, with
// what http.ResponseController asks for.
//
// What is written is held until there is enough of it, or Flush is called: a
// short answer is one write, and its length is known.
type reply struct {
	x      *session
	method string
	minor  int // of the request's protocol
	header http.Header
	unread *question // of the request; nil: there is none
	keep   bool      // the connection, afterwards

	status   int    // 0: not yet
	headed   bool   // the head is in out, or has gone
	length   int64  // as the head says; -1: it does not
	written  int64  // of the body
	chunked  bool   // the body is
	bodiless bool   // the client is to see no body
	out      []byte // what is to be sent
	pooled   *[]byte
	held     []byte // of a body whose head waits for its length
	done     bool
	err      error // of a write
	room     *room // of the header
	recycled bool
}

const (
	// holdBody is up to which length a body without one is held for it, in bytes.
	holdBody = 2 << 10
	// holdOut is how much is held of what could be sent, in bytes.
	holdOut = 16 << 10
)

var errReplyOver = errors.New("h1: the answer is over")

func (w *reply) begin(x *session, q *http.Request, minor int, keep bool) {
	w.x, w.method, w.minor, w.keep = x, q.Method, minor, keep
	w.room = rooms.Get().(*room)
	w.header = w.room.header
	w.length = -1
}

// Recycle says that, once the handler has returned, nobody looks at the header
// of the request or of the answer any more, nor at slices of the former: their
// memory serves other requests. Without it the collector finds out.
func (w *reply) Recycle() { w.recycled = true }

// Header is part of http.ResponseWriter.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader is part of http.ResponseWriter. Where the head waits for the body's
// length, it goes out with the first of it.
func (w *reply) WriteHeader(status int) {
	if w.status != 0 || w.done {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("h1: status %d", status))
	}
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		if w.minor > 0 && w.err == nil {
			b := w.appendStatus(nil, status)
			w.err = w.x.put(append(w.appendFields(b), "\r\n"...), nil)
		}
		return
	}
	w.status = status
	w.bodiless = w.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if v := w.header["Content-Length"]; len(v) > 0 {
		n, err := strconv.ParseUint(v[0], 10, 63)
		if err != nil {
			delete(w.header, "Content-Length")
			return
		}
		w.length = int64(n)
	}
}

// Write is part of http.ResponseWriter.
func (w *reply) Write(p []byte) (int, error) {
	if w.done {
		return 0, errReplyOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case len(p) == 0:
		return 0, nil
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if !w.headed {
		if w.length < 0 && len(w.held)+len(p) <= holdBody {
			w.held = append(w.held, p...)
			return len(p), nil
		}
		w.head(false, p)
	}
	if w.bodiless {
		return len(p), nil
	}
	if err := w.body(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// body sends p behind what is there, or keeps it for more.
func (w *reply) body(p []byte) error {
	if w.chunked {
		w.out = strconv.AppendInt(w.out, int64(len(p)), 16)
		w.out = append(w.out, "\r\n"...)
	}
	if len(w.out)+len(p) > holdOut && !w.chunked {
		w.err = w.x.put(w.out, p)
		w.out = w.out[:0]
		return w.err
	}
	w.out = append(w.out, p...)
	if w.chunked {
		w.out = append(w.out, "\r\n"...)
	}
	if len(w.out) > holdOut {
		w.send()
	}
	return w.err
}

// send writes what is held.
func (w *reply) send() {
	if len(w.out) > 0 && w.err == nil {
		w.err = w.x.put(w.out, nil)
	}
	w.out = w.out[:0]
}

// Flush is part of http.Flusher.
func (w *reply) Flush() { _ = w.FlushError() }

// FlushError sends what was written so far.
func (w *reply) FlushError() error {
	if w.done {
		return errReplyOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headed {
		w.head(false, nil)
	}
	w.send()
	return w.err
}

// SetReadDeadline bounds reads of the request's body.
func (w *reply) SetReadDeadline(t time.Time) error {
	if w.done {
		return errReplyOver
	}
	return w.x.reading.by(t)
}

// SetWriteDeadline bounds the next writes, and one that is under way.
func (w *reply) SetWriteDeadline(t time.Time) error {
	if w.done {
		return errReplyOver
	}
	return w.x.writing.by(t)
}

// end sends what is left. An error is a connection that is of no use any more,
// because it is broken, or because the answer ended before its length.
func (w *reply) end() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headed {
		w.head(true, nil)
	}
	if w.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	w.send()
	w.done = true
	if w.pooled != nil {
		if cap(w.out) <= 2*holdOut {
			*w.pooled = w.out[:0]
			outputs.Put(w.pooled)
		}
		w.out, w.pooled = nil, nil
	}
	if w.err == nil && !w.bodiless && w.length >= 0 && w.written < w.length {
		return http.ErrContentLength
	}
	return w.err
}

// head puts the head, and what was held for it, into out. With whole, nothing
// of the body will follow; next is what does, to tell its type by.
func (w *reply) head(whole bool, next []byte) {
	w.headed = true
	h := w.header
	body := w.held
	if len(body) == 0 {
		body = next
	}
	if _, typed := h["Content-Type"]; !typed && len(body) > 0 && h.Get("Content-Encoding") == "" {
		h["Content-Type"] = []string{http.DetectContentType(body)}
	}
	switch {
	case w.length >= 0 || w.status == http.StatusNoContent || w.status == http.StatusNotModified:
	case whole && (w.method != http.MethodHead || w.written > 0):
		w.length = w.written
		h["Content-Length"] = []string{strconv.FormatInt(w.length, 10)}
	case w.method == http.MethodHead:
	case w.minor > 0:
		w.chunked = true
	default:
		w.keep = false // its end is the connection's
	}
	switch {
	case !w.keep:
	case w.x.server.refusing.Load(), w.unread != nil && !w.unread.skip(),
		httpguts.HeaderValuesContainsToken(h["Connection"], "close"):
		w.keep = false
	}
	delete(h, "Connection")
	delete(h, "Transfer-Encoding")
	if w.pooled == nil {
		w.pooled = outputs.Get().(*[]byte)
		w.out = (*w.pooled)[:0]
	}
	w.out = w.appendFields(w.appendStatus(w.out, w.status))
	switch {
	case !w.keep:
		w.out = append(w.out, "Connection: close\r\n"...)
	case w.minor == 0:
		w.out = append(w.out, "Connection: keep-alive\r\n"...)
	}
	if w.chunked {
		w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	}
	if _, dated := h["Date"]; !dated {
		w.out = appendDate(w.out)
	}
	w.out = append(w.out, "\r\n"...)
	if len(w.held) > 0 && !w.bodiless {
		_ = w.body(w.held) // is in err
	}
	w.held = nil
}

func (w *reply) appendStatus(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return append(b, "\r\n"...)
}

// appendFields appends the header in the order of its names.
func (w *reply) appendFields(b []byte) []byte {
	var room [24]string
	names := room[:0]
	for name := range w.header {
		if !httpguts.ValidHeaderFieldName(name) {
			continue
		}
		// There are few: an insertion sort needs nothing.
		i := len(names)
		names = append(names, name)
		for ; i > 0 && names[i-1] > name; i-- {
			names[i] = names[i-1]
		}
		names[i] = name
	}
	for _, name := range names {
		for _, v := range w.header[name] {
			b = append(b, name...)
			b = append(b, ": "...)
			if !httpguts.ValidHeaderFieldValue(v) {
				v = oneLine.Replace(v)
			}
			b = append(b, strings.Trim(v, " \t")...)
			b = append(b, "\r\n"...)
		}
	}
	return b
}

// oneLine keeps a value from ending its line, or from being refused for its
// control characters.
var oneLine = func() *strings.Replacer {
	var pairs []string
	for c := range byte(' ') {
		if c != '\t' {
			pairs = append(pairs, string(rune(c)), " ")
		}
	}
	return strings.NewReplacer(append(pairs, "\x7f", " ")...)
}()

// put writes a and then b, all of it.
func (x *session) put(a, b []byte) error {
	if x.sys != nil && len(b) == 0 && len(a) > 0 {
		n, err := x.sys.write(a)
		if err != nil || n == len(a) {
			return err
		}
		a = a[n:]
	}
	if err := x.writing.begin(); err != nil {
		return err
	}
	defer x.writing.end()
	if len(b) == 0 {
		_, err := x.socket.Write(a)
		return err
	}
	both := net.Buffers{a, b}
	_, err := both.WriteTo(x.socket)
	return err
}

// date is the Date of answers, which is the same for a second.
type date struct {
	second int64
	line   []byte
}

var today atomic.Pointer[date]

func appendDate(b []byte) []byte {
	now := time.Now()
	d := today.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().AppendFormat(nil, "Date: "+http.TimeFormat+"\r\n")}
		today.Store(d)
	}
	return append(b, d.line...)
}

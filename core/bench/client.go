package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// A client sends chat requests over one HTTP/1.1 connection, one after the
// other. It is written by hand as it shares the CPUs with what it measures.
type client struct {
	addr     string
	stream   bool
	same     bool      // all requests are equal
	deadline time.Time // of all reads and writes

	request []byte
	serial  []byte // the place in request that makes it unlike any other
	count   uint64

	conn   net.Conn
	in     *bufio.Reader
	events *bufio.Reader // of a stream, its chunked encoding taken off
}

// An answer is one that came in full.
type answer struct {
	first  time.Time // when a stream's first event came
	chunks int       // events of a stream, without [DONE]
}

const serialDigits = 16

// newClient makes the n-th client of a load.
func newClient(t target, l load, n int, deadline time.Time) *client {
	const start, end = `{"model":"%s","stream":%t,"user":"%s","temperature":0.7,"messages":[{"role":"user","content":"`, `"}]}`
	user := "bench"
	if l.slow {
		user = slowUser
	}
	body := fmt.Appendf(nil, start, modelName(l.model), l.Stream, user)
	serial := len(body)
	text := max(l.body-len(body)-len(end), serialDigits)
	body = append(body, strings.Repeat("Some words to be read. ", text/20)[:text]...)
	body = append(body, end...)
	c := &client{addr: t.addr, stream: l.Stream, same: l.same, deadline: deadline, count: uint64(n) << 40}
	if l.same {
		c.count = 0
	}
	c.request = fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		t.addr, apiKey, len(body))
	serial += len(c.request)
	c.request = append(c.request, body...)
	c.serial = c.request[serial : serial+serialDigits]
	return c
}

// do sends the next request and reads its answer to the end. After an error
// the next request has a new connection.
func (c *client) do() (answer, error) {
	if c.conn == nil {
		if err := c.connect(); err != nil {
			return answer{}, err
		}
	}
	if !c.same {
		c.count++
	}
	for i, n := len(c.serial)-1, c.count; i >= 0; i, n = i-1, n>>4 {
		c.serial[i] = "0123456789abcdef"[n&15]
	}
	a, keep, err := c.exchange()
	if err != nil || !keep {
		c.hangUp()
	}
	return a, err
}

// open begins a stream and waits for its head and its first event.
func (c *client) open() error {
	if err := c.connect(); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, _, _, err := c.head()
	if err == nil && status != 200 {
		err = fmt.Errorf("status %d", status)
	}
	if err == nil {
		_, err = c.in.ReadSlice('\n')
	}
	return err
}

func (c *client) connect() error {
	conn, err := (&net.Dialer{Deadline: c.deadline}).Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	c.conn = conn
	if c.in == nil {
		c.in, c.events = newReaders(conn)
	}
	c.in.Reset(conn)
	return conn.SetDeadline(c.deadline)
}

func newReaders(conn net.Conn) (in, events *bufio.Reader) {
	return bufio.NewReaderSize(conn, 16<<10), bufio.NewReaderSize(nil, 16<<10)
}

func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) exchange() (a answer, keep bool, err error) {
	if _, err = c.conn.Write(c.request); err != nil {
		return a, false, err
	}
	status, length, keep, err := c.head()
	switch {
	case err != nil:
		return a, false, err
	case status != 200:
		said, _ := io.ReadAll(io.LimitReader(c.in, int64(min(max(length, 0), 200))))
		return a, false, fmt.Errorf("status %d: %s", status, said)
	case !c.stream && length >= 0:
		_, err = c.in.Discard(length)
		return a, keep, err
	}
	body := io.LimitReader(c.in, int64(length))
	if length < 0 {
		body = httputil.NewChunkedReader(c.in)
	}
	if c.stream {
		a, err = c.readEvents(body)
	} else {
		_, err = io.Copy(io.Discard, body)
	}
	if err == nil && length < 0 {
		_, err = c.in.Discard(len("\r\n")) // what ends the last chunk
	}
	return a, keep, err
}

var errNotHTTP = errors.New("not an HTTP/1.1 answer")

// head reads a response's head; length is -1 where the body comes in chunks.
func (c *client) head() (status, length int, keep bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, false, fmt.Errorf("no answer: %w", err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < 12 {
		return 0, 0, false, errNotHTTP
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, errNotHTTP
	}
	known := false
	for keep = true; ; {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, 0, false, err
		}
		name, value, more := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(": "))
		switch {
		case !more && !known:
			return 0, 0, false, errNotHTTP
		case !more:
			return status, length, keep, nil
		case bytes.EqualFold(name, []byte("content-length")):
			known = true
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, 0, false, errNotHTTP
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			known, length = true, -1
		case bytes.EqualFold(name, []byte("connection")):
			keep = !bytes.EqualFold(value, []byte("close"))
		}
	}
}

// readEvents reads a stream to its end, and fails where any of it is missing.
func (c *client) readEvents(body io.Reader) (a answer, err error) {
	done := false
	for c.events.Reset(body); ; {
		line, err := c.events.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return a, err
		}
		event, isData := bytes.CutPrefix(line, []byte("data: "))
		switch {
		case !isData:
		case bytes.HasPrefix(event, []byte("[DONE]")):
			done = true
		default:
			if a.chunks++; a.chunks == 1 {
				a.first = time.Now()
			}
		}
	}
	if !done || a.chunks != chunks {
		return a, fmt.Errorf("a broken stream: %d of %d chunks, [DONE] came: %t", a.chunks, chunks, done)
	}
	return a, nil
}

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// readBody reads a request's body once, whole, into memory of its own. A body
// over the limit is 413, one that ends early or comes too slowly 400 or 408, one
// that there is no memory for 429.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *wire.Error) {
	return readBodyInto(make([]byte, 0, reserve(r.ContentLength)), w, r, limit)
}

// maxOrder is the longest body of an order: of an operator's, or for a batch.
const maxOrder = 64 << 10

// readOrder reads what an operator wants.
func readOrder(w http.ResponseWriter, r *http.Request, order any, example string) *wire.Error {
	body, werr := readBody(w, r, maxOrder)
	if werr != nil {
		return werr
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(order); err != nil {
		return &wire.Error{
			Status: http.StatusBadRequest, Type: "invalid_request_error",
			Message: "The body must be JSON such as " + example + ": " + err.Error() + ".",
		}
	}
	return nil
}

// reserve is how much is reserved for a body of a length, in bytes. That is a
// promise, not a fact: the rest comes as the body does.
func reserve(length int64) int64 { return max(512, min(length, mostReserved)+1) }

// readBodyInto appends the body to an empty buffer, which is the caller's no more: one
// that is too small is given back, and another answered.
func readBodyInto(buf []byte, w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *wire.Error) {
	if r.ContentLength > limit {
		return buf, tooLarge(limit)
	}
	for {
		if len(buf) == cap(buf) {
			buf = grown(buf, r.ContentLength)
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, tooLarge(limit)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, unread(w.Header(), err)
		}
	}
}

// grown is the buffer with more room: as much as the body says that it needs,
// once a good part of it has come.
func grown(buf []byte, length int64) []byte {
	more := int64(cap(buf)) * 4
	if length > int64(len(buf)) {
		more = min(more, length+1)
	}
	next := append(*takeBody(more), buf...)
	giveBody(&buf)
	return next
}

// unread is what a client is told whose body could not be read to its end.
func unread(h http.Header, err error) *wire.Error {
	var late interface{ Timeout() bool }
	switch {
	case errors.Is(err, errNoRoom):
		return overloaded(h)
	case errors.As(err, &late) && late.Timeout():
		return &wire.Error{
			Status: http.StatusRequestTimeout, Type: "invalid_request_error", Code: "request_timeout",
			Message: "The request's body came too slowly.",
		}
	default:
		return &wire.Error{
			Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "incomplete_body",
			Message: "The request's body ended before its announced length.",
		}
	}
}

func tooLarge(limit int64) *wire.Error {
	return &wire.Error{
		Status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: "request_too_large",
		Message: "The request's body is longer than " + size(limit) + ", the limit server.max_body of the router.",
	}
}

const (
	// Buffers for bodies are kept by size, each four times that of the one
	// before: a short request never holds the memory of a long one.
	smallestBody = 2 << 10
	largestBody  = smallestBody << (2 * (bodySizes - 1)) // 8 MiB
	bodySizes    = 7
	// mostReserved is how much is reserved for a body before any of it has come,
	// in bytes.
	mostReserved = 2 << 20
)

// bodies are buffers that no request uses now, by size.
var bodies [bodySizes]sync.Pool

// bodySize is the index of the smallest size that holds n bytes, be there one or
// not.
func bodySize(n int64) int {
	return (bits.Len64(uint64(max(n-1, 0)/smallestBody)) + 1) / 2
}

// takeBody is an empty buffer with room for so many bytes; -1: nobody knows how
// many.
func takeBody(n int64) *[]byte {
	if n > largestBody {
		b := make([]byte, 0, n)
		return &b
	}
	i := bodySize(n)
	if b, ok := bodies[i].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, smallestBody<<(2*i))
	return &b
}

// giveBody takes a buffer back that nobody looks into any more.
func giveBody(b *[]byte) {
	n := int64(cap(*b))
	if n < smallestBody || n > largestBody {
		return // it grew beyond what is kept
	}
	i := bodySize(n)
	if n < smallestBody<<(2*i) {
		i-- // it can't hold all of its size
	}
	*b = (*b)[:0]
	bodies[i].Put(b)
}

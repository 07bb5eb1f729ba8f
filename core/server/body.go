package server

import (
	"errors"
	"io"
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// readBody reads a request's body once, whole. A body over the limit is 413,
// one that ends early or comes too slowly 400 or 408, one that there is no
// memory for 429.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *wire.Error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	src := http.MaxBytesReader(w, r.Body, limit)
	// A length is a promise, not a fact: no more than this is reserved for it.
	const reserve = 1 << 20
	buf := make([]byte, 0, max(512, min(r.ContentLength, reserve)+1))
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err == nil {
			continue
		}
		var over *http.MaxBytesError
		var late interface{ Timeout() bool }
		switch {
		case errors.Is(err, errNoRoom):
			return nil, overloaded(w.Header())
		case errors.As(err, &over):
			return nil, tooLarge(limit)
		case errors.As(err, &late) && late.Timeout():
			return nil, &wire.Error{
				Status: http.StatusRequestTimeout, Type: "invalid_request_error", Code: "request_timeout",
				Message: "The request's body came too slowly.",
			}
		default:
			return nil, &wire.Error{
				Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "incomplete_body",
				Message: "The request's body ended before its announced length.",
			}
		}
	}
}

func tooLarge(limit int64) *wire.Error {
	return &wire.Error{
		Status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: "request_too_large",
		Message: "The request's body is longer than " + size(limit) + ", the limit server.max_body of the router.",
	}
}

package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
)

// TestBodiesAreReadWhole: of any length, said or not, into a buffer of any size.
func TestBodiesAreReadWhole(t *testing.T) {
	t.Parallel()
	const limit = 20 << 20
	for _, n := range []int{0, 1, smallestBody - 1, smallestBody, smallestBody + 1, 100 << 10, mostReserved, mostReserved + 1, largestBody, largestBody + 1, limit} {
		want := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		for _, length := range []int64{int64(n), -1} {
			r := httptest.NewRequest(http.MethodPost, "/", iotest.OneByteReader(bytes.NewReader(want[:min(n, 10)])))
			r.Body = io.NopCloser(io.MultiReader(r.Body, bytes.NewReader(want[min(n, 10):])))
			r.ContentLength = length
			b := takeBody(min(length, mostReserved))
			got, werr := readBodyInto(*b, httptest.NewRecorder(), r, limit)
			if werr != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, said to be %d: got %d, %v", n, length, len(got), werr)
			}
			*b = got
			giveBody(b)
		}
	}
}

func TestBodiesThatAreNotWhole(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		length int64
		body   io.Reader
		status int
	}{
		{name: "said to be too long", length: 11, body: http.NoBody, status: http.StatusRequestEntityTooLarge},
		{name: "too long", length: -1, body: bytes.NewReader(make([]byte, 11)), status: http.StatusRequestEntityTooLarge},
		{name: "cut off", length: 10, body: iotest.ErrReader(io.ErrUnexpectedEOF), status: http.StatusBadRequest},
		{name: "no room", length: 10, body: iotest.ErrReader(errNoRoom), status: http.StatusTooManyRequests},
		{name: "too slow", length: 10, body: iotest.ErrReader(iotest.ErrTimeout), status: http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", tc.body)
		r.ContentLength = tc.length
		if _, werr := readBody(httptest.NewRecorder(), r, 10); werr == nil || werr.Status != tc.status {
			t.Errorf("%s: %v", tc.name, werr)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(errors.New("any")))
	if _, werr := readBody(httptest.NewRecorder(), r, 10); werr == nil || werr.Code != "incomplete_body" {
		t.Errorf("%v", werr)
	}
}

// TestBuffersHoldWhatTheySay: a buffer that was given back serves any body of
// its size.
func TestBuffersHoldWhatTheySay(t *testing.T) {
	t.Parallel()
	for n := int64(0); n <= largestBody; n = n*3 + 2 {
		if b := takeBody(n); int64(cap(*b)) < n {
			t.Errorf("%d bytes: room for %d", n, cap(*b))
		}
	}
	for _, size := range []int{smallestBody + 5, 5*smallestBody - 1, 64 * smallestBody, largestBody - 1} {
		b := make([]byte, 0, size)
		giveBody(&b)
	}
	for i := range bodySizes {
		n := int64(smallestBody) << (2 * i)
		for range 4 {
			if b := takeBody(n); int64(cap(*b)) < n || len(*b) != 0 {
				t.Errorf("size %d: %d of %d", n, len(*b), cap(*b))
			}
		}
	}
}

package lane

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	items := []item{
		{kind: kindCall, id: 1, timeout: 20 * time.Millisecond, method: []byte("/a.B/C"), body: []byte("body")},
		{kind: kindCall, id: math.MaxUint64, timeout: math.MaxInt64, method: []byte{}, body: []byte{}},
		{kind: kindCancel, id: 1, body: []byte{}},
		{kind: kindPing, id: 2, body: []byte{}},
		{kind: kindPiece, id: 3, body: bytes.Repeat([]byte{7}, 70_000)},
		{kind: kindReply, id: 3, body: []byte("end")},
		{kind: kindFail, id: 4, body: []byte("status")},
		{kind: kindPong, id: 2, body: []byte{}},
	}
	var frame []byte
	for _, it := range items {
		frame = appendItem(frame, it)
	}
	rest := frame
	for i, want := range items {
		var got item
		var err error
		if got, rest, err = next(rest); err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("item %d: %+v, want %+v", i, got, want)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes left over", len(rest))
	}
}

func TestFrameCutShort(t *testing.T) {
	t.Parallel()
	whole := appendItem(nil, item{kind: kindCall, id: 300, timeout: time.Second, method: []byte("/a.B/C"), body: []byte("body")})
	for n := range whole {
		if _, _, err := next(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes pass for a whole item", n, len(whole))
		}
	}
}

func appendItem(b []byte, it item) []byte {
	if it.kind == kindCall {
		b = appendCall(b, it.id, it.timeout, string(it.method), len(it.body))
	} else {
		b = appendHead(b, it.kind, it.id, len(it.body))
	}
	return append(b, it.body...)
}

// FuzzNext decodes anything without harm, and what it accepts means the same when it is encoded again.
func FuzzNext(f *testing.F) {
	f.Add(appendItem(nil, item{kind: kindCall, id: 1, timeout: time.Second, method: []byte("/a.B/C"), body: []byte("body")}))
	f.Add(appendItem(appendItem(nil, item{kind: kindCancel, id: 1}), item{kind: kindFail, id: 1 << 40, body: []byte("x")}))
	f.Add([]byte{byte(kindReply), 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		for len(frame) > 0 {
			it, rest, err := next(frame)
			if err != nil {
				return
			}
			if len(rest) >= len(frame) {
				t.Fatal("an item of no length")
			}
			again, left, err := next(appendItem(nil, it))
			if err != nil || len(left) > 0 || !reflect.DeepEqual(again, it) {
				t.Fatalf("%+v became %+v: %v", it, again, err)
			}
			frame = rest
		}
	})
}

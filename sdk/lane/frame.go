package lane

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// kind says what an item is. The numbers are the wire format.
type kind byte

const (
	kindCall   kind = 1 // host to plugin: run method within timeout
	kindCancel kind = 2 // host to plugin: nobody waits for this call any more
	kindPing   kind = 3 // host to plugin: answer with a pong
	kindPiece  kind = 4 // plugin to host: a part of a large answer, more follows
	kindReply  kind = 5 // plugin to host: the answer, or its last part
	kindFail   kind = 6 // plugin to host: a google.rpc.Status instead of the answer
	kindPong   kind = 7 // plugin to host
)

// item is one entry of a frame, and a frame is nothing but items one behind another:
//
//	kind (1 byte), id (varint)
//	of a call also: timeout (varint, ns, 0 for none), method (varint length, bytes)
//	body (varint length, bytes)
//
// method and body point into the frame.
type item struct {
	kind    kind
	id      uint64
	timeout time.Duration
	method  []byte
	body    []byte
}

// headBytes holds the head of any item whose method has at most 64 bytes.
const headBytes = 1 + 10 + 10 + 10 + 64 + 10

// appendCall appends what goes before a call's body.
func appendCall(b []byte, id uint64, timeout time.Duration, method string, bodyBytes int) []byte {
	b = append(b, byte(kindCall))
	b = protowire.AppendVarint(b, id)
	b = protowire.AppendVarint(b, uint64(timeout))
	b = protowire.AppendString(b, method)
	return protowire.AppendVarint(b, uint64(bodyBytes))
}

// appendHead appends what goes before the body of any other item.
func appendHead(b []byte, k kind, id uint64, bodyBytes int) []byte {
	b = append(b, byte(k))
	b = protowire.AppendVarint(b, id)
	return protowire.AppendVarint(b, uint64(bodyBytes))
}

var errCutFrame = errors.New("lane: frame is cut short or malformed")

// next takes the first item off a frame. A frame that it refuses can't be read further: where an item ends is
// known only from the item.
func next(frame []byte) (it item, rest []byte, err error) {
	if len(frame) == 0 {
		return item{}, nil, errCutFrame
	}
	it.kind, rest = kind(frame[0]), frame[1:]
	if it.kind < kindCall || it.kind > kindPong {
		return item{}, nil, fmt.Errorf("lane: unknown kind of item %d", it.kind)
	}
	var n int
	if it.id, n = protowire.ConsumeVarint(rest); n < 0 {
		return item{}, nil, errCutFrame
	}
	rest = rest[n:]
	if it.kind == kindCall {
		ns, n := protowire.ConsumeVarint(rest)
		if n < 0 || ns > math.MaxInt64 {
			return item{}, nil, errCutFrame
		}
		it.timeout, rest = time.Duration(ns), rest[n:]
		if it.method, n = protowire.ConsumeBytes(rest); n < 0 {
			return item{}, nil, errCutFrame
		}
		rest = rest[n:]
	}
	if it.body, n = protowire.ConsumeBytes(rest); n < 0 {
		return item{}, nil, errCutFrame
	}
	return it, rest[n:], nil
}

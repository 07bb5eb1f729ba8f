package bedrock

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// frames cuts a stream of the type application/vnd.amazon.eventstream, whose
// messages are
//
//	4 bytes  length of the message, all of it
//	4        length of its headers
//	4        CRC-32 of these two
//	         headers: a name with its length before it in 1 byte, a type, a value
//	         payload
//	4        CRC-32 of all before
//
// https://smithy.io/2.0/aws/amazon-eventstream.html
type frames struct {
	in  []byte // not given out yet
	at  int    // so much of it is given out
	err error
}

const (
	preludeLength = 12
	crcLength     = 4
	// keepFrames is the largest buffer that is held on to, in bytes.
	keepFrames = 64 << 10
)

var (
	errFrame = errors.New("bedrock: the stream is no event stream")
	errSum   = errors.New("bedrock: a message of the stream does not match its checksum")
	errLong  = errors.New("bedrock: a message of the stream is longer than the limit")
)

// Feed is part of hub.Splitter.
func (f *frames) Feed(piece []byte) {
	if f.at == len(f.in) && cap(f.in) > keepFrames {
		f.in = nil
	}
	f.in = append(f.in[:copy(f.in, f.in[f.at:])], piece...)
	f.at = 0
}

// Err is part of hub.Splitter.
func (f *frames) Err() error { return f.err }

// Flush is part of hub.Splitter: a part of a message says nothing.
func (*frames) Flush(*sse.Event) bool { return false }

// Next is part of hub.Splitter. An event's type is that of the message, its
// data the payload, which is never nil.
func (f *frames) Next(e *sse.Event) bool {
	b := f.in[f.at:]
	if f.err != nil || len(b) < preludeLength {
		return false
	}
	length, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		f.err = errSum
	case length > sse.EventLimit:
		f.err = errLong
	case length < preludeLength+crcLength || headers > length-preludeLength-crcLength:
		f.err = errFrame
	}
	if f.err != nil || len(b) < int(length) {
		return false
	}
	end := int(length) - crcLength
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		f.err = errSum
		return false
	}
	split := preludeLength + int(headers)
	m := message{payload: b[split:end]}
	if !m.read(b[preludeLength:split]) {
		f.err = errFrame
		return false
	}
	f.at += int(length)
	*e = sse.Event{Raw: b[:length], Type: m.name(), Data: m.data()}
	return true
}

// message is one of the stream. Its kind is event, exception or error, and each
// has its name in another header.
type message struct {
	kind, event, exception, code, said []byte
	payload                            []byte
}

// read takes in the headers; false: they are none.
func (m *message) read(b []byte) bool {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 2+n {
			return false
		}
		name, typ := b[1:1+n], b[1+n]
		b = b[2+n:]
		size := 0
		switch typ {
		case 0, 1: // true, false
		case 2: // a byte
			size = 1
		case 3: // a short
			size = 2
		case 4: // an integer
			size = 4
		case 5, 8: // a long, a time
			size = 8
		case 9: // a UUID
			size = 16
		case 6, 7: // bytes, a string
			if len(b) < 2 {
				return false
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		default:
			return false
		}
		if len(b) < size {
			return false
		}
		value := b[:size]
		b = b[size:]
		if typ != 7 {
			continue
		}
		switch string(name) {
		case ":message-type":
			m.kind = value
		case ":event-type":
			m.event = value
		case ":exception-type":
			m.exception = value
		case ":error-code":
			m.code = value
		case ":error-message":
			m.said = value
		}
	}
	return true
}

// isError is the name of messages that say that the stream failed, without
// being one of the exceptions that are described.
const isError = "error"

func (m *message) name() []byte {
	switch string(m.kind) {
	case "exception":
		return m.exception
	case isError:
		return m.kind
	}
	return m.event
}

func (m *message) data() []byte {
	switch {
	case string(m.kind) == isError:
		d := rawjson.AppendQuote([]byte(`{"code":`), string(m.code))
		d = rawjson.AppendQuote(append(d, `,"message":`...), string(m.said))
		return append(d, '}')
	case len(m.payload) == 0:
		return []byte("{}")
	}
	return m.payload
}

package pipeline

import (
	"encoding/binary"
	"time"
)

// What the cache step did, as clients read it in x-cache.
const (
	Hit    = "hit"
	Miss   = "miss"
	Bypass = "bypass" // the request wants no stored answer, and none stored
	// Shared: the answer is that of an equal request's upstream call.
	Shared = "shared"
)

// Answer is a stored answer, bytes as they went out.
type Answer struct {
	ContentType string
	// Channel and Model are those of the target that answered.
	Channel, Model string
	// Stored is when.
	Stored time.Time
	// Age of a reply.
	Age  time.Duration
	Body []byte
}

// kept is an answer on its way into the cache, or out of it.
type kept struct {
	Answer
	key     answerKey
	expires time.Time
	value   []byte // as it is stored; Body is a part of it
}

// Keep is where a good answer goes.
type Keep struct {
	step *answers
	key  answerKey
	ttl  time.Duration
	// MaxBytes is the longest answer worth keeping.
	MaxBytes int64
}

// Put keeps a complete, good answer. The body is copied, and written behind the
// request.
func (k *Keep) Put(a *Answer) {
	if k == nil || int64(len(a.Body)) > k.MaxBytes {
		return
	}
	now := k.step.now().Truncate(time.Millisecond)
	e := kept{key: k.key, expires: now.Add(k.ttl), value: encodeAnswer(a, now)}
	e.Answer = *decodeAnswer(e.value)
	k.step.front.put(&e)
	select {
	case k.step.keep <- e:
	default: // the store is slow: better no cache than a waiting request
	}
}

// answerVersion is the first byte of what is stored; others are not read.
const answerVersion = 1

func encodeAnswer(a *Answer, now time.Time) []byte {
	out := make([]byte, 0, len(a.ContentType)+len(a.Channel)+len(a.Model)+len(a.Body)+32)
	out = binary.AppendVarint(append(out, answerVersion), now.UnixMilli())
	for _, s := range [...]string{a.ContentType, a.Channel, a.Model} {
		out = append(binary.AppendUvarint(out, uint64(len(s))), s...)
	}
	return append(out, a.Body...)
}

// decodeAnswer is nil for what is damaged.
func decodeAnswer(b []byte) *Answer {
	if len(b) == 0 || b[0] != answerVersion {
		return nil
	}
	ms, used := binary.Varint(b[1:])
	if used <= 0 {
		return nil
	}
	b = b[1+used:]
	a := Answer{Stored: time.UnixMilli(ms)}
	for _, s := range [...]*string{&a.ContentType, &a.Channel, &a.Model} {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil
		}
		b = b[used:]
		*s = string(b[:n])
		b = b[n:]
	}
	a.Body = b
	return &a
}

// Share is an upstream call that equal requests in flight share.
type Share struct {
	Key ShareKey
	// Buffer is how much of the answer is kept for those who come later or
	// take it slowly, in bytes.
	Buffer int64
}

// ShareKey is equal where requests are: caller, endpoint, body, and the form of
// the answer.
type ShareKey struct {
	content       answerKey
	stream, usage bool
}

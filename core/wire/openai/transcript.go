package openai

import (
	"bytes"
	"errors"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TranscriptLimit is how many bytes a [Transcript] may remember where nothing
// else is said. An answer of 128 k tokens has half of that.
const TranscriptLimit = 1 << 20

// What a transcript charges for a choice or a call beside its text, in bytes,
// so that many empty ones have their limit too.
const (
	choiceCost = 256
	callCost   = 128
)

// Why a stream cannot be rescued.
var (
	errEndpoint = errors.New("openai: streams of this endpoint are not rescued")
	errOdd      = errors.New("openai: the stream has content that no other stream would repeat")
	errTooLong  = errors.New("openai: the stream is longer than its transcript may be")
	errTorn     = errors.New("openai: the stream has torn a character in two")
	errFailed   = errors.New("openai: the client has been told of an error")
	errOver     = errors.New("openai: the client has been told of the end")
)

// Rescuable tells whether a stream from an endpoint can be rescued when it is
// cut off: chat and completions can. Responses number their events and name
// their items, which a second stream would do in its own way.
func Rescuable(endpoint sdk.Endpoint) bool {
	return endpoint == sdk.Chat || endpoint == sdk.Completions
}

// Transcript is what a client has been sent of a stream: the content of each
// choice, and the ids of the stream. It must be told of every event that the
// client gets, in order. A transcript with an Endpoint is ready.
type Transcript struct {
	Endpoint sdk.Endpoint
	// Limit is the most bytes that it may remember, 0 for TranscriptLimit.
	Limit int

	chunks  bool              // any were seen
	head    [headCount][]byte // raw values; nil where none was seen
	choices []said
	size    int // of what counts against the limit, in bytes
	usage   wire.Usage
	err     error
	chunk   chunk
}

// said is what a client knows of one choice.
type said struct {
	index  int64
	role   bool
	finish []byte // raw; nil while it goes on
	lanes  [laneCount][]byte
	calls  []saidCall
}

// saidCall is what a client knows of one tool call.
type saidCall struct {
	index           int64
	id              []byte // raw; nil where none was given
	name, arguments []byte
}

// Add notes an event that is sent to the client.
func (t *Transcript) Add(e *sse.Event) {
	if t.Err() != nil || e.Data == nil {
		return
	}
	if string(e.Type) == "error" {
		t.lose(errFailed)
		return
	}
	t.note(e.Data)
	if usage := t.chunk.usage; t.err == nil && usage.Present() {
		t.usage = readUsage(usage.Of(e.Data))
	}
}

// Err says why the stream cannot be rescued any more; nil while it can. The
// errors hold nothing of the stream's content.
func (t *Transcript) Err() error {
	if t.err == nil && !Rescuable(t.Endpoint) {
		return errEndpoint
	}
	return t.err
}

// Usage is what the first stream said of its usage before it broke off. Most
// say nothing until they end. That of a second stream is not in it: see
// [Resume.Usage].
func (t *Transcript) Usage() wire.Usage { return t.usage }

// note is Add but for the usage.
func (t *Transcript) note(data []byte) {
	if t.err != nil {
		return
	}
	k := &t.chunk
	*k = chunk{pieces: k.pieces[:0], calls: k.calls[:0]}
	data = bytes.TrimLeft(data, " ")
	switch {
	case len(data) == 0:
		return
	case bytes.HasPrefix(data, []byte("[DONE]")):
		t.lose(errOver)
		return
	}
	k.read(t.Endpoint, data)
	switch {
	case k.failed:
		t.lose(errFailed)
		return
	case k.odd:
		t.lose(errOdd)
		return
	}
	t.chunks = true
	for i := range k.head {
		if at := k.head[i]; at.Present() && vague(t.head[i]) {
			t.remember(&t.head[i], at.Of(data))
		}
	}
	for i := range k.pieces {
		t.add(&k.pieces[i], data)
	}
}

// vague tells whether a value of the head is none yet: the first chunk of some
// providers (Azure) has an empty id and the time 0.
func vague(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "0":
		return true
	}
	return false
}

// remember keeps a raw value in place of another.
func (t *Transcript) remember(old *[]byte, raw []byte) {
	if t.afford(len(raw) - len(*old)) {
		*old = append((*old)[:0], raw...)
	}
}

// afford charges n bytes against the limit.
func (t *Transcript) afford(n int) bool {
	if t.size += n; t.size > t.limit() {
		t.lose(errTooLong)
	}
	return t.err == nil
}

func (t *Transcript) limit() int {
	if t.Limit <= 0 {
		return TranscriptLimit
	}
	return t.Limit
}

// lose gives the stream up, and most of the memory back.
func (t *Transcript) lose(why error) {
	t.err = why
	t.choices = nil
}

func (t *Transcript) add(p *piece, data []byte) {
	s := t.choice(p.index)
	if s == nil {
		return
	}
	s.role = s.role || len(rawjson.Inside(p.role.Of(data))) > 0
	for i := range p.lanes {
		t.grow(&s.lanes[i], p.lanes[i], data)
	}
	for i := range t.chunk.calls[p.first : p.first+p.calls] {
		t.call(s, &t.chunk.calls[p.first+i], data)
	}
	if t.err == nil && p.finish.Present() {
		t.remember(&s.finish, p.finish.Of(data))
	}
}

// choice returns what is known of a choice, nil once the stream is given up.
func (t *Transcript) choice(index int64) *said {
	for i := range t.choices {
		if t.choices[i].index == index {
			return &t.choices[i]
		}
	}
	if !t.afford(choiceCost) {
		return nil
	}
	t.choices = append(t.choices, said{index: index})
	return &t.choices[len(t.choices)-1]
}

func (t *Transcript) call(s *said, p *callPiece, data []byte) {
	if t.err != nil {
		return
	}
	var call *saidCall
	for i := range s.calls {
		if s.calls[i].index == p.index {
			call = &s.calls[i]
		}
	}
	if call == nil {
		if !t.afford(callCost) {
			return
		}
		s.calls = append(s.calls, saidCall{index: p.index})
		call = &s.calls[len(s.calls)-1]
	}
	if id := p.id.Of(data); len(id) > 2 {
		if call.id != nil && !bytes.Equal(call.id, id) {
			t.lose(errOdd) // two calls under one index
			return
		}
		if call.id == nil {
			t.remember(&call.id, id)
		}
	}
	t.grow(&call.name, p.name, data)
	t.grow(&call.arguments, p.arguments, data)
}

// grow appends a string of data to a lane. A character that came in two halves
// is given up: to the one client it is whole, to the next it is two wrong ones.
func (t *Transcript) grow(lane *[]byte, at rawjson.Range, data []byte) {
	raw := rawjson.Inside(at.Of(data))
	if len(raw) == 0 || t.err != nil || !t.afford(len(raw)) {
		return
	}
	var exact bool
	if *lane, exact = rawjson.AppendText(*lane, raw); !exact {
		t.lose(errTorn)
	}
}

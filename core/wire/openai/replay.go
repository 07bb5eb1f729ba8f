package openai

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// pieceSize is how much of a text one replayed chunk has, in bytes: clients
// have limits for a line, and show a text as it comes.
const pieceSize = 1 << 10

// Events replays a whole answer of chat or completions as the stream that it
// would have been: for each choice its role, its content in pieces, its calls,
// and why it finished; then its usage where that is asked for, and [DONE].
//
// What the answer has beside all that goes into the first chunk. It is an error
// where the answer has no usage but is to tell it, and where it has content that
// streams have in another form, such as audio.
func Events(endpoint sdk.Endpoint, whole []byte, usage bool) ([]byte, error) {
	// A line break between the values would end an event's line; inside of
	// strings there is none.
	if bytes.ContainsAny(whole, "\r\n") {
		whole = bytes.ReplaceAll(bytes.ReplaceAll(whole, []byte("\n"), []byte(" ")), []byte("\r"), []byte(" "))
	}
	r := replay{endpoint: endpoint, usage: usage, out: make([]byte, 0, 2*len(whole)+pieceSize)}
	var choices, used []byte
	kind := "chat.completion.chunk"
	if endpoint == sdk.Completions {
		kind = "text_completion"
	}
	r.head = append(append(r.head, `data: {"object":"`...), kind...)
	r.head = append(r.head, '"')
	c := rawjson.Cursor{Doc: whole}
	if !c.Object() {
		return nil, errForm
	}
	for c.Key() {
		switch name := string(c.Name); name {
		case "object":
			c.Skip()
		case "choices":
			choices = c.Skip().Of(whole)
		case "usage":
			used = c.Skip().Of(whole)
		case "id", "created", "model", "system_fingerprint", "service_tier":
			r.head = appendRaw(r.head, name, c.Skip().Of(whole))
		default:
			r.first = appendRaw(r.first, name, c.Skip().Of(whole))
		}
	}
	if c.Cut || usage && !rawjson.IsObject(used) {
		return nil, errForm
	}
	c = rawjson.Cursor{Doc: choices}
	if !c.Array() {
		return nil, errForm
	}
	for c.More() {
		if err := r.choice(c.Skip().Of(choices)); err != nil {
			return nil, err
		}
	}
	if usage {
		r.out = append(append(append(r.out, r.head...), `,"choices":[],"usage":`...), used...)
		r.out = append(r.out, "}\n\n"...)
	}
	return append(r.out, "data: [DONE]\n\n"...), nil
}

// replay is a stream being made.
type replay struct {
	endpoint sdk.Endpoint
	usage    bool
	head     []byte // of every chunk, up to the choices
	first    []byte // fields of the first chunk alone
	out      []byte
}

// told is one choice of a whole answer; raw values, nil where there is none.
type told struct {
	index, finish, logprobs, text []byte
	message                       []byte
	rest                          []byte // fields of its last chunk, each after a comma
}

func (r *replay) choice(raw []byte) error {
	t := told{index: []byte("0")}
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return errForm
	}
	for c.Key() {
		name := string(c.Name)
		value := c.Skip().Of(raw)
		switch name {
		case "index":
			t.index = value
		case "finish_reason":
			t.finish = value
		case "logprobs":
			t.logprobs = value
		case "text":
			t.text = value
		case "message":
			t.message = value
		default:
			t.rest = appendRaw(t.rest, name, value)
		}
	}
	if len(t.finish) < 3 || t.finish[0] != '"' {
		return errUnfinished
	}
	if r.endpoint == sdk.Completions {
		return r.completion(&t)
	}
	return r.chat(&t)
}

func (r *replay) completion(t *told) error {
	if len(t.text) < 2 || t.text[0] != '"' {
		return errForm
	}
	r.text(t, `"text":`, t.text, "")
	r.chunk(t, `"text":""`, t.finish)
	return nil
}

func (r *replay) chat(t *told) error {
	var lanes [laneCount][]byte
	var calls, call []byte
	role := []byte(`"assistant"`)
	var rest []byte
	c := rawjson.Cursor{Doc: t.message}
	if !c.Object() {
		return errForm
	}
	for c.Key() {
		name := string(c.Name)
		value := c.Skip().Of(t.message)
		switch name {
		case "role":
			role = value
		case "content":
			lanes[laneText] = value
		case "reasoning_content":
			lanes[laneReasoningContent] = value
		case "reasoning":
			lanes[laneReasoning] = value
		case "refusal":
			lanes[laneRefusal] = value
		case "tool_calls":
			calls = value
		case "function_call":
			call = value
		case "audio": // streams have it in pieces of another format
			if !isNull(value) {
				return errForm
			}
		default: // annotations, images, reasoning_details ...
			if v := (rawjson.Cursor{Doc: value}); given(&v) {
				rest = appendRaw(rest, name, value)
			}
		}
	}
	begin := append([]byte(`"delta":{"role":`), role...)
	begin = append(begin, `,"content":`...)
	if text := lanes[laneText]; len(text) > 0 && text[0] == '"' {
		begin = append(begin, `""`...)
	} else {
		begin = append(begin, "null"...)
	}
	begin = append(append(append(begin, `,"refusal":null`...), rest...), '}')
	r.chunk(t, string(begin), nil)

	for _, lane := range [...]int{laneReasoningContent, laneReasoning, laneText, laneRefusal} {
		text := lanes[lane]
		switch {
		case len(text) == 0, isNull(text), len(text) == 2 && text[0] == '"':
			continue
		case text[0] != '"':
			return errForm
		}
		r.text(t, `"delta":{"`+laneKeys[lane]+`":`, text, "}")
	}
	if len(call) > 0 && !isNull(call) {
		r.chunk(t, `"delta":{"function_call":`+string(call)+`}`, nil)
	}
	if err := r.calls(t, calls); err != nil {
		return err
	}
	r.chunk(t, `"delta":{}`, t.finish)
	return nil
}

// calls replays each tool call in one chunk.
func (r *replay) calls(t *told, raw []byte) error {
	if len(raw) == 0 || isNull(raw) {
		return nil
	}
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return errForm
	}
	for i := int64(0); c.More(); i++ {
		if !c.Object() {
			return errForm
		}
		delta := strconv.AppendInt([]byte(`"delta":{"tool_calls":[{"index":`), i, 10)
		for c.Key() {
			name := string(c.Name)
			if value := c.Skip().Of(raw); name != "index" {
				delta = appendRaw(delta, name, value)
			}
		}
		r.chunk(t, string(append(delta, "}]}"...)), nil)
	}
	return nil
}

// text replays a string in pieces; with its log probabilities, which can't be
// cut where it is, in one.
func (r *replay) text(t *told, begin string, quoted []byte, end string) {
	raw := quoted[1 : len(quoted)-1]
	for first := true; first || len(raw) > 0; first = false {
		n := len(raw)
		if len(t.logprobs) == 0 || isNull(t.logprobs) {
			n = pieceEnd(raw, pieceSize)
		}
		r.chunk(t, begin+`"`+string(raw[:n])+`"`+end, nil)
		raw = raw[n:]
	}
}

// pieceEnd is where the inside of a JSON string can be cut, at about n bytes:
// within no character and no escape.
func pieceEnd(raw []byte, n int) int {
	at := 0
	for at < len(raw) && at < n {
		switch {
		case raw[at] != '\\':
			_, size := utf8.DecodeRune(raw[at:])
			at += size
		case at+1 < len(raw) && raw[at+1] == 'u':
			at += 6
			// A character beyond the first 65,536 is two escapes.
			if at+1 < len(raw) && raw[at] == '\\' && raw[at+1] == 'u' {
				at += 6
			}
		default:
			at += 2
		}
	}
	return min(at, len(raw))
}

// chunk appends an event with one choice. Log probabilities go into the first
// one that has text, which is no later than the last.
func (r *replay) chunk(t *told, body string, finish []byte) {
	r.out = append(append(append(r.out, r.head...), `,"choices":[{"index":`...), t.index...)
	r.out = append(append(append(r.out, ','), body...), `,"logprobs":`...)
	if len(t.logprobs) > 0 && (finish != nil || !bytes.HasPrefix([]byte(body), []byte(`"delta":{"role":`))) {
		r.out = append(r.out, t.logprobs...)
		t.logprobs = nil
	} else {
		r.out = append(r.out, "null"...)
	}
	r.out = append(r.out, `,"finish_reason":`...)
	if finish == nil {
		r.out = append(r.out, "null"...)
	} else {
		r.out = append(append(r.out, finish...), t.rest...)
	}
	r.out = append(r.out, "}]"...)
	if r.usage {
		r.out = append(r.out, `,"usage":null`...)
	}
	r.out = append(append(r.out, r.first...), "}\n\n"...)
	r.first = nil
}

// appendRaw appends a field after a comma.
func appendRaw(out []byte, key string, raw []byte) []byte {
	out = rawjson.AppendQuote(append(out, ','), key)
	return append(append(out, ':'), raw...)
}

package anthropic

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The top-level fields of an answer.
const (
	aID = iota
	aModel
	aType
	aError
	aContent
	aReason
	aSequence
	aUsage
	answerFields
)

var answerKeys = rawjson.NewKeys("id", "model", "type", "error", "content", "stop_reason", "stop_sequence", "usage")

// answer is a whole answer, scanned.
type answer struct {
	body []byte
	at   [answerFields]rawjson.Field
}

func (a *answer) raw(f int) hub.Raw { return a.at[f].Value.Of(a.body) }

// scan checks an answer and finds its fields; an error in its place is returned
// as what it says.
func (a *answer) scan() (*wire.Error, error) {
	if err := answerKeys.Scan(a.body, rawjson.DefaultDepth, a.at[:]); err != nil {
		return nil, fmt.Errorf("answer of messages: %w", err)
	}
	if string(a.raw(aType)) == `"error"` || rawjson.IsObject(a.raw(aError)) {
		return openai.ErrorIn(a.body), nil
	}
	return nil, nil
}

// readAnswer reads a whole answer of Anthropic's.
func readAnswer(body []byte) (*hub.Response, error) {
	in := answer{body: body}
	failed, err := in.scan()
	if err != nil {
		return nil, err
	}
	r := &hub.Response{From: Name, Error: failed}
	if failed != nil {
		return r, nil //nolint:nilerr // the error is what the provider said
	}
	if len(in.raw(aContent)) == 0 {
		return nil, fmt.Errorf("answer of messages: it has no content")
	}
	r.ID, r.Model = rawjson.Inside(in.raw(aID)), rawjson.Inside(in.raw(aModel))
	readUsage(in.raw(aUsage), &r.Usage)
	var m hub.Message
	if err := readBlocks(&m, in.raw(aContent), func() string { return "content" }); err != nil {
		return nil, fmt.Errorf("answer of messages: %w", err)
	}
	r.Choices = []hub.Answer{{Parts: m.Parts, Finish: finish(rawjson.Inside(in.raw(aReason)), rawjson.Inside(in.raw(aSequence)))}}
	return r, nil
}

// appendAnswer appends a whole answer for a client of Anthropic's, which knows
// of one choice.
func appendAnswer(dst []byte, r *hub.Response) ([]byte, error) {
	if len(r.Choices) == 0 {
		return dst, fmt.Errorf("anthropic: the answer has no choices")
	}
	a := &r.Choices[0]
	o := build{Writer: rawjson.Object(dst), same: r.From == Name}
	o.Put(`"id":"`)
	o.Dst = appendID(o.Dst, r.ID)
	o.Put(`","type":"message","role":"assistant"`)
	o.Text("model", r.Model)
	o.Put(`,"content":[`)
	for i := range a.Parts {
		p := &a.Parts[i]
		switch {
		case p.Kind == hub.ForeignPart && p.Foreign.Format != Name, p.Kind == hub.TextPart && len(p.Text) == 0,
			p.Kind == hub.ThoughtPart && len(p.Text) == 0 && hub.Marked(p.Signature): // of a text, which Gemini does without
			continue
		}
		o.Comma()
		switch {
		case p.Whole != nil && o.same:
			o.Dst = append(o.Dst, p.Whole...)
		case p.Kind == hub.TextPart, p.Kind == hub.RefusalPart:
			o.Put(`{"type":"text"`)
			o.Text("text", p.Text)
			o.Put(`}`)
		case p.Kind == hub.ThoughtPart:
			o.Put(`{"type":"thinking"`)
			o.Text("thinking", p.Text)
			o.Text("signature", p.Signature)
			o.Put("}")
		case p.Kind == hub.CallPart:
			if len(p.Call.Signature) > 0 { // of the thought behind it, which Gemini wants back
				o.Put(`{"type":"thinking","thinking":""`)
				o.Text("signature", p.Call.Signature)
				o.Put(`},`)
			}
			o.Put(`{"type":"tool_use"`)
			o.Text("id", p.Call.ID)
			o.TextIf("name", p.Call.Name)
			o.Dst = p.Call.AppendInput(append(o.Dst, `,"input":`...))
			o.Put(`,"caller":{"type":"direct"}}`)
		default:
			o.block(p)
		}
	}
	o.Put("]")
	o.Plain("stop_reason", stopReason(&a.Finish))
	o.Put(`,"stop_sequence":`)
	o.orNull(a.Stop)
	o.Put(`,"stop_details":null,"container":null,"diagnostics":null,"usage":`)
	o.Dst = appendUsage(o.Dst, &r.Usage, true)
	return append(o.Dst, '}'), nil
}

func (o *build) orNull(t hub.Text) {
	if len(t) == 0 {
		o.Put("null")
		return
	}
	o.Quote(t)
}

// appendID appends an answer's id, which begins with msg_ here.
func appendID(dst []byte, id hub.Text) []byte {
	const prefix = "msg_"
	if !bytes.HasPrefix(id, []byte(prefix)) {
		dst = append(dst, prefix...)
	}
	return append(dst, id...)
}

// appendUsage appends a usage object: of a message, else of a message_delta,
// which has less in it. Input counts what is neither read from a cache nor
// written to one.
func appendUsage(dst []byte, u *wire.Usage, message bool) []byte {
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), max(0, u.Input-u.Cached-u.CacheWrite), 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), u.CacheWrite, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), u.Cached, 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens":`...), u.Output, 10)
	dst = append(dst, `,"output_tokens_details":`...)
	if u.Reasoning > 0 {
		dst = strconv.AppendInt(append(dst, `{"thinking_tokens":`...), u.Reasoning, 10)
		dst = append(dst, '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"server_tool_use":null`...)
	if message {
		dst = append(dst, `,"cache_creation":null,"inference_geo":null,"service_tier":null,"speed":null`...)
	}
	return append(dst, '}')
}

// readUsage adds what a usage object says to u; what it leaves out stays.
func readUsage(raw []byte, u *wire.Usage) {
	input, write, read := u.Input-u.Cached-u.CacheWrite, u.CacheWrite, u.Cached
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	count := func(n *int64) {
		if v, ok := c.Int(); ok && v >= 0 {
			*n = v
		}
	}
	for c.Key() {
		switch string(c.Name) {
		case "input_tokens":
			count(&input)
		case "cache_creation_input_tokens":
			count(&write)
		case "cache_read_input_tokens":
			count(&read)
		case "output_tokens":
			count(&u.Output)
		case "output_tokens_details":
			if n, ok := rawjson.Int(rawjson.Child(c.Skip().Of(raw), "thinking_tokens")); ok {
				u.Reasoning = n
			}
		default:
			c.Skip()
		}
	}
	u.Input, u.CacheWrite, u.Cached = input+write+read, write, read
	u.Total = u.Input + u.Output
}

// whole reads what the core wants to know of a whole answer.
func whole(_ sdk.Endpoint, body []byte) (wire.Response, error) {
	in := answer{body: body}
	failed, err := in.scan()
	r := wire.Response{Error: failed}
	if err != nil || failed != nil {
		return r, err
	}
	r.ID, _ = rawjson.Unquote(in.raw(aID)) // absent in an answer to count_tokens
	r.Model, _ = rawjson.Unquote(in.raw(aModel))
	readUsage(in.raw(aUsage), &r.Usage)
	if s, ok := rawjson.Unquote(in.raw(aReason)); ok {
		r.Finish = []string{s}
	}
	return r, nil
}

// appendTokens appends the answer of count_tokens.
func appendTokens(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, `{"input_tokens":`...), n, 10), '}')
}

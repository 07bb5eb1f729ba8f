package bedrock

import (
	"errors"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// The top-level fields of an answer.
const (
	aOutput = iota
	aReason
	aUsage
	aTier
	aMore
	answerFields
)

var answerKeys = rawjson.NewKeys("output", "stopReason", "usage", "serviceTier", "additionalModelResponseFields")

// answer is a whole answer, scanned.
type answer struct {
	body []byte
	at   [answerFields]rawjson.Field
}

func (a *answer) raw(f int) hub.Raw { return a.at[f].Value.Of(a.body) }

func (a *answer) scan() error {
	if err := answerKeys.Scan(a.body, rawjson.DefaultDepth, a.at[:]); err != nil {
		return fmt.Errorf("answer of converse: %w", err)
	}
	return nil
}

// readAnswer reads a whole answer. It names neither itself nor its model.
func readAnswer(body []byte) (*hub.Response, error) {
	in := answer{body: body}
	if err := in.scan(); err != nil {
		return nil, err
	}
	content := rawjson.Child(rawjson.Child(in.raw(aOutput), "message"), "content")
	c := rawjson.Cursor{Doc: content}
	if !c.Array() {
		return nil, errors.New("answer of converse: it has no content")
	}
	r := &hub.Response{From: Name}
	readUsage(in.raw(aUsage), &r.Usage)
	a := hub.Answer{Finish: finish(rawjson.Inside(in.raw(aReason)), in.raw(aMore))}
	for c.More() {
		if p, ok := readBlock(c.Skip().Of(content)); ok {
			a.Parts = append(a.Parts, p)
		}
	}
	r.Tier = rawjson.Child(in.raw(aTier), "type")
	r.Choices = []hub.Answer{a}
	return r, nil
}

// readBlock reads a block of content. It is not ok where the hub has no word for it.
func readBlock(raw []byte) (p hub.Part, ok bool) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return p, false
	}
	for c.Key() {
		name := string(c.Name)
		v := c.Skip().Of(raw)
		switch name {
		case "text":
			return hub.Part{Kind: hub.TextPart, Text: rawjson.Inside(v)}, true
		case "toolUse":
			return hub.Part{Kind: hub.CallPart, Call: hub.Call{
				ID: rawjson.Str(v, "toolUseId"), Name: rawjson.Str(v, "name"), Input: rawjson.Child(v, "input"),
			}}, true
		case "reasoningContent":
			if data := rawjson.Str(v, "redactedContent"); len(data) > 0 {
				return hub.Part{Kind: hub.RedactedPart, Data: data}, true
			}
			t := rawjson.Child(v, "reasoningText")
			return hub.Part{Kind: hub.ThoughtPart, Text: rawjson.Str(t, "text"), Signature: rawjson.Str(t, "signature")}, true
		case "citationsContent":
			return cited(v), true
		}
	}
	return p, false
}

// cited is a text with where it is from.
func cited(raw []byte) hub.Part {
	p := hub.Part{Kind: hub.TextPart}
	content := rawjson.Child(raw, "content")
	c := rawjson.Cursor{Doc: content}
	for ok := c.Array(); ok && c.More(); {
		p.Text = append(p.Text, rawjson.Str(c.Skip().Of(content), "text")...)
	}
	if citations := rawjson.Child(raw, "citations"); len(citations) > 2 && citations[0] == '[' {
		p.Citations = citations
	}
	return p
}

// finish reads a stopReason. more holds what was asked of Claude beside it.
func finish(reason hub.Text, more hub.Raw) hub.Finish {
	f := hub.Finish{Reason: hub.FinishStop}
	switch r := string(reason); r {
	case "end_turn", "":
	case "stop_sequence":
		f.Stop = rawjson.Str(more, "stop_sequence")
	case "max_tokens":
		f.Reason = hub.FinishLength
	case "tool_use":
		f.Reason = hub.FinishCalls
	case "model_context_window_exceeded":
		f.Reason, f.Native = hub.FinishLength, Name+"/"+r
	case "guardrail_intervened", "content_filtered":
		f.Reason, f.Native = hub.FinishFilter, Name+"/"+r
	default: // malformed_model_output, and what comes next
		f.Native = Name + "/" + r
	}
	return f
}

// readUsage reads a usage object. Its input counts what is neither read from a
// cache nor written to one.
func readUsage(raw []byte, u *wire.Usage) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	var input int64
	for c.Key() {
		var n *int64
		switch string(c.Name) {
		case "inputTokens":
			n = &input
		case "outputTokens":
			n = &u.Output
		case "cacheReadInputTokens":
			n = &u.Cached
		case "cacheWriteInputTokens":
			n = &u.CacheWrite
		default:
			c.Skip()
			continue
		}
		if v, ok := c.Int(); ok && v >= 0 {
			*n = v
		}
	}
	u.Input = input + u.Cached + u.CacheWrite
	u.Total = u.Input + u.Output
}

package cohere

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// finish reads a finish_reason. failed: the answer is none.
func finish(reason hub.Text) (f hub.Finish, failed bool) {
	switch r := string(reason); r {
	case "COMPLETE", "STOP_SEQUENCE", "":
		return hub.Finish{Reason: hub.FinishStop}, false
	case "MAX_TOKENS":
		return hub.Finish{Reason: hub.FinishLength}, false
	case "TOOL_CALL":
		return hub.Finish{Reason: hub.FinishCalls}, false
	case "ERROR", "TIMEOUT":
		return f, true
	default:
		return hub.Finish{Reason: hub.FinishStop, Native: Name + "/" + r}, false
	}
}

// failure is the error of an answer that ended with one.
func failure(reason, said hub.Text) *wire.Error {
	message, _ := rawjson.AppendText(nil, said)
	if len(message) == 0 {
		message = []byte("The generation ended with " + string(reason) + ".")
	}
	return openai.Fault(http.StatusInternalServerError, string(message))
}

// readUsage reads a usage object: what was counted, else what is billed.
func readUsage(raw hub.Raw) (u wire.Usage) {
	of := rawjson.Child(raw, "tokens")
	if of == nil {
		of = rawjson.Child(raw, "billed_units")
	}
	u.Input, u.Output = count(of, "input_tokens"), count(of, "output_tokens")
	u.Cached, u.Total = count(raw, "cached_tokens"), u.Input+u.Output
	return u
}

// mostTokens is more than any count that is believed.
const mostTokens = 1 << 53

// count is a number of an object's. Cohere writes them as 3 and as 3.0.
func count(object []byte, name string) int64 {
	n, err := strconv.ParseFloat(string(rawjson.Child(object, name)), 64)
	if err != nil || n < 0 || n > mostTokens {
		return 0
	}
	return int64(n)
}

// appendLogprobs appends those of chat, for an array of Cohere's.
func appendLogprobs(dst []byte, raw hub.Raw) []byte {
	dst = append(dst, '[')
	c := rawjson.Cursor{Doc: raw}
	for ok := c.Array(); ok && c.More(); {
		item := c.Skip().Of(raw)
		sum := 0.0 // an item may be several tokens
		p := rawjson.Cursor{Doc: rawjson.Child(item, "logprobs")}
		for ok := p.Array(); ok && p.More(); {
			if n, err := strconv.ParseFloat(string(p.Skip().Of(p.Doc)), 64); err == nil {
				sum += n
			}
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"token":"`...), rawjson.Str(item, "text")...), `","logprob":`...)
		dst = strconv.AppendFloat(dst, sum, 'g', -1, 64)
		dst = append(dst, `,"bytes":null,"top_logprobs":[]}`...)
	}
	return append(dst, ']')
}

// readAnswer reads a whole answer of Cohere's.
func readAnswer(body []byte) (*hub.Response, error) {
	if !rawjson.Valid(body) {
		return nil, fmt.Errorf("answer of Cohere: it is no JSON")
	}
	message := rawjson.Child(body, "message")
	if !rawjson.IsObject(message) {
		return nil, fmt.Errorf("answer of Cohere: it has no message")
	}
	r := &hub.Response{From: Name, ID: rawjson.Str(body, "id"), Usage: readUsage(rawjson.Child(body, "usage"))}
	reason := rawjson.Str(body, "finish_reason")
	f, failed := finish(reason)
	if failed {
		r.Error = failure(reason, nil)
		return r, nil
	}
	a := hub.Answer{Finish: f, Parts: readParts(message)}
	if raw := rawjson.Child(body, "logprobs"); len(raw) > 0 && raw[0] == '[' {
		a.Logprobs = append(appendLogprobs([]byte(`{"content":`), raw), `,"refusal":null}`...)
	}
	r.Choices = []hub.Answer{a}
	return r, nil
}

// readParts reads what a message says. Its citations are those of its first text.
func readParts(message hub.Raw) (parts []hub.Part) {
	if plan := rawjson.Str(message, "tool_plan"); len(plan) > 0 {
		parts = append(parts, hub.Part{Text: plan})
	}
	c := rawjson.Cursor{Doc: rawjson.Child(message, "content")}
	for ok := c.Array(); ok && c.More(); {
		raw := c.Skip().Of(c.Doc)
		switch string(rawjson.Str(raw, "type")) {
		case "text":
			parts = append(parts, hub.Part{Text: rawjson.Str(raw, "text")})
		case "thinking":
			parts = append(parts, hub.Part{Kind: hub.ThoughtPart, Text: rawjson.Str(raw, "thinking")})
		}
	}
	if cited := rawjson.Child(message, "citations"); len(cited) > len("[]") && cited[0] == '[' {
		for i := range parts {
			if parts[i].Kind == hub.TextPart {
				parts[i].Citations = cited
				break
			}
		}
	}
	calls := rawjson.Cursor{Doc: rawjson.Child(message, "tool_calls")}
	for ok := calls.Array(); ok && calls.More(); {
		parts = append(parts, hub.Part{Kind: hub.CallPart, Call: readCall(calls.Skip().Of(calls.Doc))})
	}
	return parts
}

func readCall(raw hub.Raw) hub.Call {
	f := rawjson.Child(raw, "function")
	call := hub.Call{ID: rawjson.Str(raw, "id"), Name: rawjson.Str(f, "name")}
	call.Input, _ = rawjson.AppendText(nil, rawjson.Str(f, "arguments"))
	return call
}

package openai

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	aID = iota
	aModel
	aUsage
	aChoices
	aError
	aStatus
	aObject
	aType
	answerCount
)

var answerKeys = rawjson.NewKeys("id", "model", "usage", "choices", "error", "status", "object", "type")

// ReadResponse reads a whole JSON answer; of speech and plain transcripts there
// is nothing to read. A body that is no single well-formed
// JSON object is an error, such as an HTML page that came with a 200; an error
// object that came with a 200 is [wire.Response.Error].
func ReadResponse(endpoint sdk.Endpoint, body []byte) (wire.Response, error) {
	var r wire.Response
	var at [answerCount]rawjson.Field
	if err := answerKeys.Scan(body, rawjson.DefaultDepth, at[:]); err != nil {
		return r, fmt.Errorf("answer of %s: %w", endpoint, err)
	}
	raw := func(f int) []byte { return at[f].Value.Of(body) }
	failed := len(raw(aError)) > 0 && !isNull(raw(aError)) ||
		string(raw(aObject)) == `"error"` || string(raw(aType)) == `"error"`
	if failed {
		r.Error = ErrorIn(body)
		return r, nil
	}
	r.ID, _ = rawjson.Unquote(raw(aID)) // absent or a number: no id
	r.Model, _ = rawjson.Unquote(raw(aModel))
	r.Usage = readUsage(raw(aUsage))
	if endpoint == sdk.Responses {
		if status, ok := rawjson.Unquote(raw(aStatus)); ok {
			r.Finish = []string{status}
		}
		if string(raw(aStatus)) == `"failed"` {
			r.Error = &wire.Error{Type: "server_error", Message: "the response failed and does not say why"}
		}
		return r, nil
	}
	c := rawjson.Cursor{Doc: raw(aChoices)}
	if c.Array() {
		for c.More() {
			choice := c.Skip().Of(c.Doc)
			if reason := rawjson.Child(choice, "finish_reason"); len(reason) > 2 && reason[0] == '"' {
				r.Finish = append(r.Finish, hub.ReasonOf(rawjson.Inside(reason)))
			}
		}
	}
	return r, nil
}

// ReadID reads the id of a response: out of a whole answer, also one that is
// cut off behind it, or out of an event of a stream that has the response in
// it, as the first one does. It is empty where there is none.
func ReadID(data []byte) string {
	c := rawjson.Cursor{Doc: data}
	if !c.Object() {
		return ""
	}
	for c.Key() {
		switch string(c.Name) {
		case "id":
			id, _ := rawjson.Unquote(c.Skip().Of(data))
			return id
		case "response":
			id, _ := rawjson.Unquote(rawjson.Child(c.Skip().Of(data), "id"))
			return id
		default:
			c.Skip()
		}
	}
	return ""
}

// ReadUsage reads the usage out of an event that [Classify] found it in.
func ReadUsage(e *sse.Event) wire.Usage {
	usage := rawjson.Child(e.Data, "usage")
	if !rawjson.IsObject(usage) {
		usage = rawjson.Child(rawjson.Child(e.Data, "response"), "usage")
	}
	return readUsage(usage)
}

func readUsage(raw []byte) wire.Usage { return hub.ReadUsage(&rawjson.Cursor{Doc: raw}) }

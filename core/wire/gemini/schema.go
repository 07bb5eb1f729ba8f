package gemini

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// fromOpenAPI appends a schema of OpenAPI 3.0's, as Gemini's older fields have
// it, in JSON Schema: types are in lower case, and what is nullable has the type
// null too (https://ai.google.dev/api/caching#Schema).
func fromOpenAPI(dst []byte, raw hub.Raw) []byte {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return append(dst, raw...)
	}
	nullable := string(child(raw, "nullable")) == "true"
	dst = append(dst, '{')
	for c.Key() {
		name := string(camel(c.Name))
		v := hub.Raw(c.Skip().Of(raw))
		if name == "nullable" || name == "propertyOrdering" || name == "example" {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendQuote(dst, name), ':')
		switch name {
		case "type":
			dst = appendType(dst, v, nullable)
		case "items":
			dst = fromOpenAPI(dst, v)
		case "properties":
			dst = eachSchema(dst, v, '{', '}')
		case "anyOf":
			dst = eachSchema(dst, v, '[', ']')
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			dst = append(dst, bytes.Trim(v, `"`)...) // an int64 is a string in Google's JSON
		default:
			dst = append(dst, v...)
		}
	}
	return append(dst, '}')
}

func appendType(dst []byte, v hub.Raw, nullable bool) []byte {
	kind := bytes.ToLower(v)
	if !nullable {
		return append(dst, kind...)
	}
	return append(append(append(dst, '['), kind...), `,"null"]`...)
}

// eachSchema converts the schemas in an object or an array.
func eachSchema(dst []byte, raw hub.Raw, open, end byte) []byte {
	c := rawjson.Cursor{Doc: raw}
	if len(raw) == 0 || raw[0] != open {
		return append(dst, raw...)
	}
	dst = append(dst, open)
	next := c.More
	if open == '{' {
		c.Object()
		next = c.Key
	} else {
		c.Array()
	}
	for first := true; next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = append(rawjson.AppendQuote(dst, string(c.Name)), ':')
		}
		dst = fromOpenAPI(dst, c.Skip().Of(raw))
	}
	return append(dst, end)
}

package cohere

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// defaultInputType is what texts are for where the request does not say so in
// input_type, which Cohere wants.
const defaultInputType = `"search_document"`

// embed appends a request for embeddings.
func embed(dst, body []byte, model string) ([]byte, error) {
	q, err := openai.ReadEmbeddings(body)
	if err != nil {
		return dst, err
	}
	o := build{Writer: rawjson.Object(dst)}
	o.Plain("model", model)
	o.Key("texts")
	o.Dst = q.AppendTexts(o.Dst)
	o.Raw("embedding_types", hub.Raw(`["float"]`))
	if q.Dimensions > 0 {
		o.Int("output_dimension", q.Dimensions)
	}
	kind := hub.Raw(defaultInputType)
	for i := range q.Foreign {
		switch f := &q.Foreign[i]; f.Key {
		case "input_type":
			kind = f.Value
		case "truncate", "max_tokens", "priority":
			o.RawIf(f.Key, f.Value)
		}
	}
	o.RawIf("input_type", kind)
	return append(o.Dst, '}'), nil
}

// embedded appends OpenAI's answer for Cohere's. Numbers are asked for, and
// OpenAI's base64 is made of them here.
func embedded(dst, body, asked []byte) ([]byte, error) {
	q, err := openai.ReadEmbeddings(asked)
	if err != nil {
		return dst, err
	}
	if !rawjson.Valid(body) {
		return dst, fmt.Errorf("embeddings of Cohere: they are no JSON")
	}
	var vectors []hub.Raw
	c := rawjson.Cursor{Doc: rawjson.Child(rawjson.Child(body, "embeddings"), "float")}
	for ok := c.Array(); ok && c.More(); {
		vectors = append(vectors, c.Skip().Of(c.Doc))
	}
	if len(vectors) != len(q.Texts) {
		return dst, fmt.Errorf("embeddings of Cohere: there are %d for %d texts", len(vectors), len(q.Texts))
	}
	n := count(rawjson.Child(rawjson.Child(body, "meta"), "billed_units"), "input_tokens")
	return openai.AppendEmbeddings(dst, rawjson.Str(asked, "model"), vectors, q.Base64, &wire.Usage{Input: n})
}

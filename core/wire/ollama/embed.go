package ollama

import (
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// embed appends a request for embeddings.
func embed(dst, body []byte, model string) ([]byte, error) {
	q, err := openai.ReadEmbeddings(body)
	if err != nil {
		return dst, err
	}
	dst = rawjson.AppendQuote(append(dst, `{"model":`...), model)
	dst = q.AppendTexts(append(dst, `,"input":`...))
	if q.Dimensions > 0 {
		dst = strconv.AppendInt(append(dst, `,"dimensions":`...), q.Dimensions, 10)
	}
	for i := range q.Foreign {
		switch f := &q.Foreign[i]; f.Key {
		case "truncate", "keep_alive", options:
			dst = append(append(append(dst, `,"`+f.Key...), `":`...), f.Value...)
		}
	}
	return append(dst, '}'), nil
}

// embedded appends OpenAI's answer for Ollama's.
func embedded(dst, body, asked []byte) ([]byte, error) {
	q, err := openai.ReadEmbeddings(asked)
	if err != nil {
		return dst, err
	}
	if !rawjson.Valid(body) {
		return dst, fmt.Errorf("embeddings of Ollama: they are no JSON")
	}
	var vectors []hub.Raw
	c := rawjson.Cursor{Doc: rawjson.Child(body, "embeddings")}
	for ok := c.Array(); ok && c.More(); {
		vectors = append(vectors, c.Skip().Of(c.Doc))
	}
	if len(vectors) != len(q.Texts) {
		return dst, fmt.Errorf("embeddings of Ollama: there are %d for %d texts", len(vectors), len(q.Texts))
	}
	n, _ := rawjson.Int(rawjson.Child(body, "prompt_eval_count"))
	return openai.AppendEmbeddings(dst, rawjson.Str(body, "model"), vectors, q.Base64, &wire.Usage{Input: n})
}

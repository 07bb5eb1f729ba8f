package gemini

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// taskTypes are what texts are for, by Cohere's words for it in input_type, which
// some clients of OpenAI's send.
var taskTypes = map[string]string{
	"search_query": "RETRIEVAL_QUERY", "search_document": "RETRIEVAL_DOCUMENT", "classification": "CLASSIFICATION", "clustering": "CLUSTERING",
}

// inputTypes are those the other way round.
var inputTypes = func() map[string]string {
	m := make(map[string]string, len(taskTypes))
	for ours, theirs := range taskTypes {
		m[theirs] = ours
	}
	return m
}()

// embed appends a batchEmbedContents for OpenAI's request for embeddings: one of
// its requests for each text.
func embed(dst, body []byte, model string) ([]byte, error) {
	q, err := openai.ReadEmbeddings(body)
	if err != nil {
		return dst, err
	}
	task := ""
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Key == "input_type" {
			task = taskTypes[string(rawjson.Inside(f.Value))]
		}
	}
	o := build{Writer: rawjson.Object(dst)}
	o.Put(`"requests":[`)
	for _, t := range q.Texts {
		o.Comma()
		o.Put("{")
		o.Plain("model", "models/"+model)
		o.Dst = append(append(o.Dst, `,"content":{"parts":[{"text":`...), t...)
		o.Put("}]}")
		o.TextIf("taskType", hub.Text(task))
		if q.Dimensions > 0 {
			o.Int("outputDimensionality", q.Dimensions)
		}
		o.Put("}")
	}
	return append(o.Dst, "]}"...), nil
}

// embedded appends OpenAI's answer for one of batchEmbedContents. Its usage is
// told by newer models alone.
func embedded(dst, body, asked []byte) ([]byte, error) {
	q, err := openai.ReadEmbeddings(asked)
	if err != nil {
		return dst, err
	}
	if !rawjson.Valid(body) {
		return dst, fmt.Errorf("answer of batchEmbedContents: it is no JSON")
	}
	var vectors []hub.Raw
	c := rawjson.Cursor{Doc: child(body, "embeddings")}
	for ok := c.Array(); ok && c.More(); {
		vectors = append(vectors, child(c.Skip().Of(c.Doc), "values"))
	}
	if len(vectors) != len(q.Texts) {
		return dst, fmt.Errorf("answer of batchEmbedContents: there are %d embeddings for %d texts", len(vectors), len(q.Texts))
	}
	var u wire.Usage
	readUsage(child(body, "usageMetadata"), &u)
	return openai.AppendEmbeddings(dst, text(asked, "model"), vectors, q.Base64, &u)
}

// embedOthers appends OpenAI's request for one of Gemini's clients: of a batch,
// or by itself. What the texts are for, and how long the vectors are to be, is
// the same for all of a batch at OpenAI's: the first says so.
func embedOthers(dst, body []byte, model string, extended bool) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst)}
	o.Plain("model", model)
	o.Put(`,"input":[`)
	requests := child(body, "requests")
	if requests == nil {
		requests = list(body)
	}
	var dimensions, task hub.Raw
	c := rawjson.Cursor{Doc: requests}
	for ok := c.Array(); ok && c.More(); {
		one := c.Skip().Of(requests)
		o.Comma()
		o.Put(`"`)
		parts := list(child(child(one, "content"), "parts"))
		p := rawjson.Cursor{Doc: parts}
		for ok := p.Array(); ok && p.More(); {
			t := text(p.Skip().Of(parts), "text")
			if t == nil {
				return dst, invalid("", "* EmbedContentRequest.content: the provider of this model embeds text alone")
			}
			o.Dst = append(o.Dst, t...)
		}
		o.Put(`"`)
		if dimensions == nil {
			dimensions, task = child(one, "outputDimensionality"), child(one, "taskType")
		}
	}
	o.Put(`],"encoding_format":"float"`)
	o.RawIf("dimensions", dimensions)
	if kind := inputTypes[string(rawjson.Inside(task))]; kind != "" && extended {
		o.Text("input_type", hub.Text(kind))
	}
	return append(o.Dst, '}'), nil
}

// embeddedAll appends the answer of batchEmbedContents for OpenAI's.
func embeddedAll(dst, body []byte) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst)}
	o.Put(`"embeddings":[`)
	c := rawjson.Cursor{Doc: child(body, "data")}
	if !c.Array() || c.Peek() == ']' {
		return dst, fmt.Errorf("gemini: the answer has no embeddings")
	}
	for c.More() {
		o.Comma()
		o.vector(child(c.Skip().Of(c.Doc), "embedding"))
	}
	o.Put("]")
	o.counted(body)
	return append(o.Dst, '}'), nil
}

// embeddedOne appends the answer of embedContent.
func embeddedOne(dst, body []byte) ([]byte, error) {
	c := rawjson.Cursor{Doc: child(body, "data")}
	if !c.Array() || !c.More() {
		return dst, fmt.Errorf("gemini: the answer has no embedding")
	}
	o := build{Writer: rawjson.Object(dst)}
	o.Key("embedding")
	o.vector(child(c.Skip().Of(c.Doc), "embedding"))
	o.counted(body)
	return append(o.Dst, '}'), nil
}

func (o *build) vector(v hub.Raw) {
	o.Dst = append(append(append(o.Dst, `{"values":`...), v...), '}')
}

// counted writes the usage of an answer of OpenAI's.
func (o *build) counted(body []byte) {
	if n, ok := rawjson.Int(child(child(body, "usage"), "prompt_tokens")); ok {
		o.Key("usageMetadata")
		o.Put("{")
		o.Int("promptTokenCount", n)
		o.Put("}")
	}
}

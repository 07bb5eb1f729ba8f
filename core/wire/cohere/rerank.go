package cohere

import (
	"fmt"
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// texts are a request's documents, which are texts or objects that hold one, as
// raw strings.
func texts(body []byte) (all []hub.Raw, err error) {
	c := rawjson.Cursor{Doc: rawjson.Child(body, documents)}
	for ok := c.Array(); ok && c.More(); {
		v := c.Skip().Of(c.Doc)
		if rawjson.IsObject(v) {
			v = rawjson.Child(v, "text")
		}
		if len(v) == 0 || v[0] != '"' {
			return nil, &wire.Error{
				Status: http.StatusBadRequest, Type: "invalid_request_error", Param: documents,
				Message: fmt.Sprintf("documents[%d] is neither a text nor an object with one.", len(all)),
			}
		}
		all = append(all, v)
	}
	return all, nil
}

// rerank appends a request to put documents in order.
func rerank(dst, body []byte, model string) ([]byte, error) {
	all, err := texts(body)
	if err != nil {
		return dst, err
	}
	o := build{Writer: rawjson.Object(dst)}
	o.Plain("model", model)
	o.RawIf("query", rawjson.Child(body, "query"))
	o.Put(`,"documents":[`)
	for _, t := range all {
		o.Comma()
		o.Dst = append(o.Dst, t...)
	}
	o.Put("]")
	for _, name := range [...]string{"top_n", "max_tokens_per_doc", "priority"} {
		o.RawIf(name, rawjson.Child(body, name))
	}
	return append(o.Dst, '}'), nil
}

// reranked appends the answer: Cohere's, with the model and, where the request
// wants them, the documents.
func reranked(dst, body, asked []byte) ([]byte, error) {
	if !rawjson.Valid(body) {
		return dst, fmt.Errorf("rerank of Cohere: it is no JSON")
	}
	c := rawjson.Cursor{Doc: rawjson.Child(body, "results")}
	if !c.Array() {
		return dst, fmt.Errorf("rerank of Cohere: it has no results")
	}
	var all []hub.Raw
	if string(rawjson.Child(asked, "return_documents")) == "true" {
		var err error
		if all, err = texts(asked); err != nil {
			return dst, err
		}
	}
	o := build{Writer: rawjson.Object(dst)}
	o.RawIf("id", rawjson.Child(body, "id"))
	o.RawIf("model", rawjson.Child(asked, "model"))
	o.Key("results")
	o.Put("[")
	for c.More() {
		v := c.Skip().Of(c.Doc)
		o.Comma()
		o.Put("{")
		o.RawIf("index", rawjson.Child(v, "index"))
		o.RawIf("relevance_score", rawjson.Child(v, "relevance_score"))
		if i, ok := rawjson.Int(rawjson.Child(v, "index")); ok && i >= 0 && i < int64(len(all)) {
			o.Key("document")
			o.Put("{")
			o.RawIf("text", all[i])
			o.Put("}")
		}
		o.Put("}")
	}
	o.Put("]")
	o.RawIf("meta", rawjson.Child(body, "meta"))
	return append(o.Dst, '}'), nil
}

package wall

import (
	"encoding/json"
	"slices"
	"strings"
)

// Reranking is not of OpenAI; this is the common form of https://docs.cohere.com/reference/rerank and
// https://jina.ai/reranker, which vLLM and many resellers serve at /v1/rerank.
var rerankFields = fields("model query documents top_n return_documents max_tokens_per_doc max_chunks_per_doc rank_fields truncation")

type ranked struct {
	Index    int       `json:"index"`
	Score    float64   `json:"relevance_score"`
	Document *document `json:"document,omitempty"`
}

type document struct {
	Text string `json:"text"`
}

// UnmarshalJSON takes a text or an object that holds one.
func (d *document) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &d.Text)
	}
	type plain document
	return json.Unmarshal(text, (*plain)(d))
}

// rerank scores a document by the share of the query's words that it holds.
func (x *exchange) rerank() {
	r := x.knows()
	var documents []document
	top, full := 0, false
	for _, field := range []struct {
		name, want string
		needed     bool
		to         any
	}{
		{"query", "a string", true, new(string)},
		{"documents", "an array", true, &documents},
		{"top_n", "an integer", false, &top},
		{"return_documents", "a boolean", false, &full},
	} {
		switch {
		case r != nil:
		case field.needed && !x.has(field.name):
			r = missing(field.name)
		default:
			r = x.decode(field.name, field.want, field.to)
		}
	}
	if r == nil && len(documents) == 0 {
		r = bad("empty_array", "documents", "Invalid 'documents': empty array.")
	}
	if r != nil {
		x.refuse(r)
		return
	}
	wanted := strings.Fields(strings.ToLower(x.text("query")))
	results := make([]ranked, len(documents))
	for i, d := range documents {
		has, hits := strings.Fields(strings.ToLower(d.Text)), 0
		for _, word := range wanted {
			if slices.Contains(has, word) {
				hits++
			}
		}
		results[i] = ranked{Index: i, Score: float64(hits) / float64(max(1, len(wanted)))}
		if full {
			results[i].Document = &d
		}
	}
	slices.SortStableFunc(results, func(a, b ranked) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	if top > 0 && top < len(results) {
		results = results[:top]
	}
	type total struct {
		Tokens int `json:"total_tokens"`
	}
	x.json(struct {
		ID      string                     `json:"id"`
		Model   string                     `json:"model"`
		Results []ranked                   `json:"results"`
		Usage   total                      `json:"usage"`
		Echo    map[string]json.RawMessage `json:"x_echo,omitempty"`
	}{x.id("rerank-"), x.model, results, total{tokens(len(x.body))}, x.echo(rerankFields)})
}

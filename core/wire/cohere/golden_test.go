package cohere

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
)

// The shapes are those of the npm package cohere-ai 8.1, api/types and api/resources/v2.
func TestGolden(t *testing.T)                  { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T) { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)     { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                  { wiretest.Fuzz(f, Format) }

func BenchmarkRequestAndAnswer(b *testing.B) {
	wiretest.BenchWhole(b, Format, "testdata/answer/thought-and-calls.txt")
}

func BenchmarkEvent(b *testing.B) {
	wiretest.BenchEvent(b, Format, `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" of the kind"}}}}`)
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	const answer = `{"id":"e1","embeddings":{"float":[[0.5,-1],[2,0.25]]},"texts":["a","b"],"meta":{"billed_units":{"input_tokens":3.0}}}`
	for _, tt := range []struct{ name, asked, sent, said, err string }{
		{
			name: "texts", asked: `{"model":"a/m","input":["a","b\u00e9"],"dimensions":256,"user":"u"}`,
			sent: `{"model":"m","texts":["a","b\u00e9"],"embedding_types":["float"],"output_dimension":256,"input_type":"search_document"}`,
			said: `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[2,0.25]}],"model":"a/m","usage":{"prompt_tokens":3,"total_tokens":3}}`,
		},
		{
			name: "base64, for a query", asked: `{"model":"m","input":["a","b"],"encoding_format":"base64","input_type":"search_query","truncate":"END"}`,
			sent: `{"model":"m","texts":["a","b"],"embedding_types":["float"],"truncate":"END","input_type":"search_query"}`,
			said: `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="},{"object":"embedding","index":1,"embedding":"AAAAQAAAgD4="}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`,
		},
		{name: "fewer than texts", asked: `{"model":"m","input":"a"}`, sent: `{"model":"m","texts":["a"],"embedding_types":["float"],"input_type":"search_document"}`, err: "there are 2 for 1 texts"},
		{name: "tokens", asked: `{"model":"m","input":[[1,2]]}`, err: "tokens can't be sent"},
		{name: "nothing", asked: `{"model":"m","input":[]}`, err: "must be a text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sent, err := embed(nil, []byte(tt.asked), "m")
			if string(sent) != tt.sent && err == nil {
				t.Errorf("sent %s", sent)
			}
			var said []byte
			if err == nil {
				said, err = embedded(nil, []byte(answer), []byte(tt.asked))
			}
			check(t, string(said), tt.said, err, tt.err)
		})
	}
}

func TestRerank(t *testing.T) {
	t.Parallel()
	const answer = `{"id":"r1","results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}],"meta":{"billed_units":{"search_units":1}}}`
	for _, tt := range []struct{ name, asked, sent, said, err string }{
		{
			name: "texts and objects", asked: `{"model":"a/m","query":"q","documents":["a",{"text":"b"}],"top_n":2}`,
			sent: `{"model":"m","query":"q","documents":["a","b"],"top_n":2}`,
			said: `{"id":"r1","model":"a/m","results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}],"meta":{"billed_units":{"search_units":1}}}`,
		},
		{
			name: "with the documents", asked: `{"model":"m","query":"q","documents":["a","b"],"return_documents":true}`,
			sent: `{"model":"m","query":"q","documents":["a","b"]}`,
			said: `{"id":"r1","model":"m","results":[{"index":1,"relevance_score":0.9,"document":{"text":"b"}},{"index":0,"relevance_score":0.1,"document":{"text":"a"}}],"meta":{"billed_units":{"search_units":1}}}`,
		},
		{name: "no text", asked: `{"model":"m","query":"q","documents":["a",{"image":"x"}]}`, err: "documents[1] is neither"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sent, err := rerank(nil, []byte(tt.asked), "m")
			if string(sent) != tt.sent && err == nil {
				t.Errorf("sent %s", sent)
			}
			var said []byte
			if err == nil {
				said, err = reranked(nil, []byte(answer), []byte(tt.asked))
			}
			check(t, string(said), tt.said, err, tt.err)
		})
	}
}

func check(t *testing.T, said, want string, err error, says string) {
	t.Helper()
	switch {
	case says != "":
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	case err != nil || said != want:
		t.Errorf("got  %s, %v\nwant %s", said, err, want)
	}
}

package responses

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The shapes are those of github.com/openai/openai-go/v3, responses/response.go.
func TestGolden(t *testing.T)                  { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T) { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)     { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                  { wiretest.Fuzz(f, Format) }

func TestNamesOfUnknownFieldsMayHaveAnythingInThem(t *testing.T) {
	body := []byte(`{"model":"m","input":"Hi","odd \"name\"":1}`)
	r, err := openai.ReadRequest(sdk.Responses, body)
	if err != nil {
		t.Fatal(err)
	}
	q, err := request(body, &r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := outgoing(nil, q, nil)
	if err != nil || !rawjson.Valid(out) || string(rawjson.Child(out, `odd "name"`)) != "1" {
		t.Errorf("sent as %s, %v", out, err)
	}
}

func BenchmarkRequestAndAnswer(b *testing.B) {
	wiretest.BenchWhole(b, Format, "testdata/answer/calls.txt")
}

func BenchmarkEvent(b *testing.B) {
	wiretest.BenchEvent(b, Format, `{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" of the kind","logprobs":[]}`)
}

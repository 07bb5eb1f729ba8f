package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/formats"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/plugins"
	"github.com/smart-ai-router/smartrouter/sdk"
)

var update = flag.Bool("update", false, "write what the code says into docs/formats.md")

// asked are the endpoints that clients call, in the order of the documentation.
var asked = []sdk.Endpoint{
	sdk.Chat, sdk.Responses, sdk.CountTokens, sdk.Completions, sdk.Embeddings, sdk.Rerank, sdk.Moderations,
	sdk.ImageGeneration, sdk.ImageEdit, sdk.ImageVariation, sdk.Speech, sdk.Transcription, sdk.Translation,
}

// serves says how a provider that an adapter speaks to serves a client's endpoint.
func serves(t *testing.T, adapter sdk.Adapter, e sdk.Endpoint) string {
	t.Helper()
	c := sdk.Channel{Name: "c", Provider: "p", BaseURL: "https://provider.example/v1", Region: "us-east-1"}
	for n := 0; ; n++ {
		way, ok := formats.Way(e, n)
		if !ok {
			if e == sdk.CountTokens {
				return "estimated"
			}
			return "refused"
		}
		p, err := adapter.Prepare(context.Background(), c, "m", way, false)
		if sdk.IsUnsupported(err) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		switch f := formats.Of(p.Codec, way); {
		case f == nil || f.Out == nil:
			t.Fatalf("%s: the codec %q", e, p.Codec)
		case way != e:
			return "translated to " + string(way)
		case f.Name == openai.Name, e == sdk.Responses:
			return "untouched"
		case e == sdk.CountTokens:
			return "for its own clients; else estimated"
		case e == sdk.Chat:
			return "translated"
		default:
			if _, ok := f.Out.Other[e]; ok {
				return "translated"
			}
			t.Fatalf("%s: the adapter has it, and its format can't say it", e)
		}
	}
}

// endpointsTable says which adapter serves which endpoint, and how.
func endpointsTable(t *testing.T) string {
	t.Helper()
	var names []string
	var adapters []sdk.Adapter
	for _, name := range plugins.Names() {
		short, is := strings.CutPrefix(name, "adapter/")
		if !is || short == "demo" { // which is a provider itself
			continue
		}
		plugin, _ := plugins.Lookup(name)
		names, adapters = append(names, "`"+short+"`"), append(adapters, plugin().Adapter)
	}
	var b strings.Builder
	b.WriteString("| endpoint | " + strings.Join(names, " | ") + " |\n|" + strings.Repeat("---|", len(names)+1) + "\n")
	for _, e := range asked {
		fmt.Fprintf(&b, "| %s |", e)
		for _, a := range adapters {
			b.WriteString(" " + serves(t, a, e) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestDocsHaveTheTableOfEndpoints(t *testing.T) {
	t.Parallel()
	const page, mark, end = "../../docs/formats.md", "<!-- endpoints -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(mark))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		t.Fatalf("%s has lost its mark %s", page, mark)
	}
	want := bytes.Join([][]byte{before, []byte(mark), []byte(endpointsTable(t)), []byte(end), after}, nil)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Errorf("the table in %s is not what the code says: go test ./core/e2e -run TestDocsHaveTheTableOfEndpoints -update", page)
	}
}

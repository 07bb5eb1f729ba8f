package replay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// A channel that takes its models from the provider's list has those that the
// records saw on it, under the names that its configuration has for them.
func TestModelsThatOnlyTheRecordsKnow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "decisions.jsonl")
	const line = `{"v":1,"id":"d-1","facts":{"model":"m"},"candidates":[` +
		`{"channel":"open","model":"m","health":"up","context_tokens":8192,"input_price":2,"output_price":3},` +
		`{"channel":"open","model":"quick","health":"up"},{"channel":"fixed","model":"m","health":"up"}]}` + "\n"
	if err := os.WriteFile(file, []byte(line+"{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("router.hcl", []byte(`
provider "p" { base_url = "http://127.0.0.1:1/v1" }
channel "open" {
  provider = provider.p
  aliases  = { quick = "its-own-name" }
}
channel "fixed" {
  provider = provider.p
  models   = ["other"]
}
`))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := models([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	view := boardOf(cfg, listed).View()
	set := view.Resolve("m", nil)
	if set == nil || len(set.Members) != 1 || set.Members[0].Channel.Config.Name != "open" {
		t.Fatalf("m is answered by %+v", set)
	}
	c := view.Candidates[set.Members[0].Ref]
	if c.ContextTokens != 8192 || c.InputPrice == nil || *c.InputPrice != 2 {
		t.Errorf("the candidate is %+v", c)
	}
	quick := view.Resolve("quick", nil)
	if quick == nil || quick.Members[0].Upstream != "its-own-name" {
		t.Errorf("quick is answered by %+v", quick)
	}
}

// Command plugin-name is a guard of Smart AI Router: it lets a request pass, as
// it is or edited, or rejects it.
package main

import (
	"context"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// guard has the config block's attributes, with their defaults in main.
type guard struct {
	Words []string `config:"words" doc:"a prompt with one of these in it is rejected"`
}

// Inspect sees the prompt, which it needs and is granted: so it is asked about
// every request. One that asks for facts only is asked once a lease.
func (g *guard) Inspect(_ context.Context, _ sdk.Request, p sdk.Prompt) (sdk.Ruling, error) {
	for _, text := range p.Texts() {
		for _, word := range g.Words {
			if strings.Contains(strings.ToLower(text.Text), strings.ToLower(word)) {
				return sdk.Reject("This is not to leave the house."), nil
			}
		}
	}
	return sdk.Pass(), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Rejects prompts with words that may not be sent.", Computes: true, Needs: []string{sdk.NeedPrompt}, Guard: &guard{Words: []string{"secret"}}})
}

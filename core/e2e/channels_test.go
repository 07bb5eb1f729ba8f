package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// channel is the HCL of a channel at a simulated provider in OpenAI's format.
func channel(name, baseURL, key string, rest ...string) string {
	return channelBy("openai", name, baseURL, key, rest...)
}

// channelBy is a channel at a simulated provider that an adapter speaks to.
func channelBy(adapter, name, baseURL, key string, rest ...string) string {
	return fmt.Sprintf(`
provider %[1]q {
  base_url = %[2]q
  adapter  = plugin.adapter.%[3]s
}
channel %[1]q {
  provider = provider.%[1]s
  api_key  = %[4]q
  %[5]s
}
`, name, baseURL, adapter, key, strings.Join(rest, "\n  "))
}

const formatsKey = "sk-upstream-0123456789"

// formatChannel is a channel of an adapter at a wall of formatsKey.
func formatChannel(adapter, name string, w *wall.Wall, rest ...string) string {
	base := w.URL()
	if adapter == "gemini" {
		base = w.GeminiURL()
	}
	return channelBy(adapter, name, base, formatsKey, rest...)
}

// formatChannels are one channel for each format that providers speak, two for
// Anthropic's versions, and one at Azure OpenAI; formatModels has a model of each.
// What is given besides belongs to gpt, the one in OpenAI's format, such as
// [chatOnly].
func formatChannels(w *wall.Wall, gpt ...string) string {
	has := func(model string) string { return "models = " + list([]string{model}) }
	return formatChannel("openai", "gpt", w, append(gpt, has(wall.ChatModel))...) +
		formatChannel("openai", "new", w, `settings = { endpoints = "responses" }`, has("gpt-new")) +
		azureChannel("azure", w, `settings = { api_version = "2024-10-21" }`, has("my-gpt")) +
		formatChannel("anthropic", "claude", w, has(wall.ClaudeModel)) +
		formatChannel("anthropic", "claude-latest", w, `settings = { version = "`+wall.LatestVersion+`" }`, has("claude-opus-5")) +
		formatChannel("bedrock", "converse", w, has(wall.BedrockModel)) +
		formatChannel("cohere", "command", w, has(wall.CohereModel)) +
		formatChannel("gemini", "gemini", w, has(wall.GeminiModel)) +
		formatChannel("ollama", "llama", w, has(wall.OllamaModel))
}

// chatOnly leaves a channel nothing but chat: what clients ask for as responses is
// translated.
const chatOnly = `settings = { endpoints = "chat" }`

// formatModels are those of formatChannels.
var formatModels = []string{
	wall.ChatModel, "gpt-new", "my-gpt", wall.ClaudeModel, "claude-opus-5", wall.BedrockModel, wall.CohereModel, wall.GeminiModel, wall.OllamaModel,
}

// formatsWall has the models of all formats.
func formatsWall(t *testing.T, options ...wall.Option) *wall.Wall {
	return wall.Start(t, append([]wall.Option{wall.Key(formatsKey), wall.Models(formatModels...)}, options...)...)
}

package ollama

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
)

// The shapes are those of the npm package ollama 0.6, src/interfaces.ts.
func TestGolden(t *testing.T)                  { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T) { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)     { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                  { wiretest.Fuzz(f, Format) }

func BenchmarkRequestAndAnswer(b *testing.B) {
	wiretest.BenchWhole(b, Format, "testdata/answer/thought-and-calls.txt")
}

func BenchmarkLine(b *testing.B) {
	wiretest.BenchEvent(b, Format, `{"model":"qwen3","created_at":"2026-11-27T15:00:01.2Z","message":{"role":"assistant","content":" of the kind"},"done":false}`)
}

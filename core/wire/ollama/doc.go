// Package ollama writes requests to Ollama's own API and reads its answers. No
// client speaks it here.
//
//   - format.go: [Format], and what becomes of each field at Ollama.
//   - out.go, messages.go: a request as Ollama takes it.
//   - answer.go: whole answers; a line of a stream has the same shape.
//   - reader.go: a stream; split.go: which comes in lines.
//   - native.go: what the core reads of answers as they come.
//   - embed.go: embeddings.
//
// The shapes are those of the types in the npm package ollama 0.6, interfaces.ts,
// and of https://docs.ollama.com/api/chat, /api/embed and /api/errors.
package ollama

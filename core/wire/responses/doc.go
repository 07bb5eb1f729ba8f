// Package responses translates OpenAI's Responses from and to the hub: for
// clients such as Codex at channels whose provider has no /responses, and for
// OpenAI Chat's clients at providers that have nothing else.
//
//   - format.go: [Format], and what becomes of each field.
//   - in.go, items.go: a client's request.
//   - out.go: a request as a provider of responses takes it.
//   - answer.go: whole answers, both ways.
//   - reader.go: a provider's stream; writer.go: one for a client.
//
// What a translated response thought is given to the client in encrypted_content,
// with a mark of ours before it, so that it comes back with the next request.
// Nothing is stored: previous_response_id, conversations and background work are
// for the provider that keeps them.
//
// The shapes are those of github.com/openai/openai-go/v3, responses/response.go.
package responses

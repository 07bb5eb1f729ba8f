// Package cohere writes requests to Cohere's API, of its version 2, and reads its
// answers. No client speaks it here.
//
//   - format.go: [Format], and what becomes of each field at Cohere.
//   - out.go, messages.go: a request as Cohere takes it.
//   - answer.go: whole answers; reader.go: a stream.
//   - native.go: what the core reads of answers as they come.
//   - embed.go: embeddings; rerank.go: documents in order.
//
// The shapes are those of the types in the npm package cohere-ai 8.1, api/types and
// api/resources/v2, whose names are in camel case there, and of
// https://docs.cohere.com/reference/chat, /chat-stream, /embed, /rerank and /errors.
package cohere

// Package anthropic reads and writes Anthropic's Messages, of its versions
// 2023-06-01 and 2026-10-21.
//
//   - format.go: [Format], and what becomes of each field at Anthropic.
//   - facts.go: what routing needs of a client's request.
//   - in.go, messages.go: the whole of it.
//   - out.go, turns.go: a request as Anthropic takes it.
//   - answer.go: whole answers, both ways; finish.go: why they ended.
//   - reader.go: a stream of Anthropic's; writer.go: one for a client of its, whose
//     blocks come in turn by blocks.go.
//   - native.go: what the core reads of answers that are passed on untouched.
//   - fault.go: errors for clients; head.go: headers on the way to Anthropic.
//
// The shapes are those of the types in @anthropic-ai/sdk 1.12,
// resources/messages/messages.d.ts and resources/shared.d.ts, and of
// https://platform.claude.com/docs/en/api/messages, /errors and
// /docs/en/build-with-claude/streaming.
package anthropic

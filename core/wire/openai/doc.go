// Package openai reads and writes OpenAI's own wire, which most providers speak.
//
//   - request.go: [ReadRequest] finds in a JSON body what routing needs, and
//     [Outgoing] says what to change before the body is sent on.
//   - prompt.go: what is in the messages: images, text, the head of the talk.
//   - form.go: the same for multipart/form-data: [ReadForm], [SpliceForm].
//   - multipart.go: the strict reader of such bodies.
//   - stream.go: [Classify] says what a streamed event means.
//   - response.go: [ReadResponse] and [ReadUsage] read whole answers and usage.
//   - fault.go: [AppendError] and [AppendErrorEvent] for clients.
//   - failure.go: [ReadError] of a provider.
//   - wait.go: how long it asks to be left alone.
//   - chunk.go: what is where in a chunk of chat or completions.
//   - transcript.go: [Transcript] is what a client has of such a stream.
//   - resume.go: [Resume] makes of a second stream what the client lacks:
//     [Verify] of one that must repeat the first, [Continue] of one that goes on.
//   - compare.go: how it tells what was repeated; mismatch.go: what was not.
//   - forms.go: [Refit] gives a kept answer the form that a request wants, by
//     [Whole] of a stream and [Events] of a whole answer; [Sound] says which
//     answers may be kept, [Content] which requests they answer.
//   - prefill.go: [Prefill] is the request that makes a model go on.
//
// Nothing is decoded that is not asked for: a request costs one pass over its
// bytes to check them and one quick walk through its messages.
package openai

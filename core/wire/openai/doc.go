// Package openai reads and writes OpenAI's own wire, which most providers speak.
//
// What a request and its answer are, read where they lie:
//
//   - ask.go: [Read] reads any request.
//   - request.go: [ReadRequest] finds in a JSON body what routing needs, and
//     [Outgoing] says what to change before the body is sent on.
//   - inspect.go: [Prompt] is what a guard is shown of a body, [FormPrompt] of a form.
//   - media.go: what is cut out of it, and [Patch], which edits a body by it.
//   - form.go: the same for multipart/form-data: [ReadForm], [SpliceForm].
//   - multipart.go: the strict reader of such bodies.
//   - stream.go: [Classify] says what a streamed event means.
//   - again.go: [Again] knows a chunk that is like one before it.
//   - response.go: [ReadResponse] and [ReadUsage] read whole answers and usage.
//   - fault.go: [AppendError] and [AppendErrorEvent] for clients.
//   - failure.go: [ReadError] of a provider.
//   - wait.go: how long it asks to be left alone.
//   - chunk.go: what is where in a chunk of chat or completions.
//
// A stream that goes on at another target, and a kept answer in another form:
//
//   - transcript.go: [Transcript] is what a client has of such a stream.
//   - resume.go: [Resume] makes of a second stream what the client lacks:
//     [Verify] of one that must repeat the first, [Continue] of one that goes on.
//   - compare.go: how it tells what was repeated; mismatch.go: what was not.
//   - forms.go: [Refit] gives a kept answer the form that a request wants, by
//     [Whole] of a stream, in whole.go, and [Events] of a whole answer, in
//     replay.go; [Sound] says which answers may be kept, [Content] which requests
//     they answer.
//   - prefill.go: [Prefill] is the request that makes a model go on.
//
// Chat from and to the hub, for channels and clients of other formats:
//
//   - format.go: [Format] is the codec's entry in the table of formats.
//   - in.go: [ReadHub] reads a request, messages.go: its messages.
//   - hubanswer.go: [ReadAnswer] and [AppendAnswer] of a whole answer.
//   - out.go: [AppendHub] writes a request, outmessages.go: its messages.
//   - embeddings.go: [Embeddings], which other formats have too.
//
// Nothing is decoded that is not asked for: a request costs one pass over its
// bytes to check them and one quick walk through its messages.
package openai

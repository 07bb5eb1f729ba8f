package sdk

import "context"

// CodecOwn is the [Prepared.Codec] of an adapter that is a [Translator].
const CodecOwn = "own"

// Translator is implemented by an [Adapter] whose provider speaks a format that
// the router does not know. Where Prepare answers with [CodecOwn], the adapter
// translates chats itself, from and to OpenAI's.
//
// It is the slow way: each request costs a call to the plugin's process, its
// answer another, and a stream one for each piece that comes, where a codec of
// the router's costs none. It needs [NeedPrompt], since it sees what is said.
//
// Its methods keep nothing between calls: where the plugin is started anew, or
// another one takes its place at a reload, that one is asked with the same state.
// An error of theirs, or no answer within the call step's time-out, is a failure of
// the channel like any other: before the first content another channel is tried,
// later the client is told.
type Translator interface {
	Adapter
	// TranslateRequest makes the provider's request of one of OpenAI Chat's, JSON
	// with the provider's name of the model.
	TranslateRequest(ctx context.Context, c Channel, model string, chat []byte) ([]byte, error)
	// TranslateAnswer makes a chat completion of a whole answer, or an object with
	// the key error, as OpenAI has it, of one that is an error.
	TranslateAnswer(ctx context.Context, c Channel, model string, a UpstreamAnswer) ([]byte, error)
	// TranslateStream makes chunks of a chat completion of the next piece of a
	// stream.
	TranslateStream(ctx context.Context, c Channel, model string, p StreamPiece) (Chunks, error)
}

// UpstreamAnswer is a whole answer of a provider's.
type UpstreamAnswer struct {
	Status int
	Body   []byte
}

// StreamPiece is what has come of a stream since the last call, cut anywhere.
type StreamPiece struct {
	Data []byte
	// State is that of the last call's [Chunks]; empty at the first call.
	State []byte
	// End: nothing comes after this.
	End bool
}

// Chunks of a chat completion.
type Chunks struct {
	// Events are JSON objects, as OpenAI Chat streams them. One with the key error
	// ends the stream as failed, "[DONE]" as complete.
	Events [][]byte
	// State is wanted back with the next piece: the beginning of an event whose
	// end is not there yet, say.
	State []byte
}

package wire

import (
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Request is what the core reads off a request's bytes. Its strings are copies,
// its ranges point into the body that it was read from.
type Request struct {
	Endpoint sdk.Endpoint
	Model    string        // empty where the endpoint allows that and the client did
	ModelAt  rawjson.Range // the model's value in the body: a JSON value, or a form field's bytes
	Stream   bool          // the client wants events
	Usage    bool          // the client wants the usage in its stream
	N        int           // how many answers are wanted, at least 1
	Tools    bool
	Images   bool // it carries an image to look at or to change
	JSON     bool // it wants an answer in JSON, by schema or not
	// Tokens estimates the prompt's length: a quarter of its text's bytes, and
	// nothing for images, audio and files.
	Tokens int64
	// MaxTokens is the longest answer that the client asks for, 0 for no limit.
	MaxTokens int64
	// Prefix is a hash of the head of the conversation, the same for its every
	// turn, and on every router; 0 where prompt caches do not matter.
	Prefix uint64
	// Fallbacks are models that may answer instead: our own extension, taken
	// out before the request is sent on.
	Fallbacks   []string
	FallbacksAt rawjson.Range // the value in a JSON body; absent in a form
	User        string        // whom the client says it asks for
	// Previous is the id of the response that this request follows; empty: none.
	Previous string
	// Unstored: the provider is not to keep its response.
	Unstored bool

	// Mended: it can't go out as it came even to a target of its own format,
	// since a provider of another one has had a part in it.
	Mended bool

	// TemperatureAt and StreamOptions are where a JSON body has them.
	TemperatureAt rawjson.Range
	StreamOptions rawjson.Range
}

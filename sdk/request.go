package sdk

import (
	"strings"
	"time"
)

// Endpoint names what a client calls, whatever its path.
type Endpoint string

// The endpoints.
const (
	Chat            Endpoint = "chat"
	Completions     Endpoint = "completions"
	Embeddings      Endpoint = "embeddings"
	Responses       Endpoint = "responses"
	ImageGeneration Endpoint = "images/generations"
	ImageEdit       Endpoint = "images/edits"
	ImageVariation  Endpoint = "images/variations"
	Speech          Endpoint = "audio/speech"
	Transcription   Endpoint = "audio/transcriptions"
	Translation     Endpoint = "audio/translations"
	Moderations     Endpoint = "moderations"
	Rerank          Endpoint = "rerank"
	// CountTokens asks how long a prompt is; nothing is answered.
	CountTokens Endpoint = "count_tokens"
	// Models is the list of a channel's models: a GET that spends nothing.
	Models Endpoint = "models"
)

// A Fact is one thing about a request that a decision may depend on. A plugin
// names in its manifest the facts it reads. It is sent only these, and an
// answer is used again for every request in which these are equal.
type Fact string

// The facts. [HeaderFact] makes one of a request header.
const (
	FactModel    Fact = "model"
	FactEndpoint Fact = "endpoint"
	FactStream   Fact = "stream"
	FactSize     Fact = "size"
	FactTokens   Fact = "tokens"
	FactTools    Fact = "tools"
	FactImages   Fact = "images"
	FactJSON     Fact = "json"
	FactKey      Fact = "key"
	FactRegion   Fact = "region"
	FactPrefix   Fact = "prefix"
	FactNow      Fact = "now"
)

// HeaderFact is the fact of one request header, such as "x-team". Only headers
// that the HCL allows on the step are sent.
func HeaderFact(name string) Fact { return Fact(headerFact + strings.ToLower(name)) }

// Request is what a plugin sees of a client's request: the facts that its
// manifest reads. The others are zero. The prompt is never among them.
type Request struct {
	// Model is the name that the client asks for.
	Model    string
	Endpoint Endpoint
	Stream   bool
	// Size is the body's length in bytes, rounded up to a power of two.
	Size int64
	// Tokens is the estimated length of the prompt, rounded up to a power of two.
	Tokens int64
	// Tools, Images and JSON: the request has tools, has images, wants JSON.
	Tools, Images, JSON bool
	// Key is the name of the caller's API key in the router, never the key.
	Key string
	// Headers by lower-case name.
	Headers map[string]string
	// Region is the caller's.
	Region string
	// Prefix is a hash of the head of the conversation, equal for its turns.
	Prefix uint64
	// Now is cut to the minute, in UTC.
	Now time.Time
}

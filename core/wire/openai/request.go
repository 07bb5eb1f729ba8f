package openai

import (
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/prompt"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The top-level fields that are looked at, and where rawjson.Keys puts them.
const (
	fModel = iota
	fStream
	fStreamOptions
	fN
	fTools
	fFunctions
	fMessages
	fInput
	fPrompt
	fInstructions
	fResponseFormat
	fText
	fMaxTokens
	fMaxCompletionTokens
	fMaxOutputTokens
	fFallbacks
	fUser
	fPromptCacheKey
	fDocuments
	fQuery
	fPreviousResponseID
	fStore
	fTemperature
	fieldCount
)

var requestKeys = rawjson.NewKeys("model", "stream", "stream_options", "n", "tools", "functions", "messages", "input",
	"prompt", "instructions", "response_format", "text", "max_tokens", "max_completion_tokens", "max_output_tokens",
	"fallbacks", "user", "prompt_cache_key", "documents", "query",
	"previous_response_id", "store", "temperature")

// ReadRequest reads a JSON body. The error is always a *[wire.Error] with
// status 400: for a body that is no single well-formed JSON object, that has a
// key twice, or whose model, stream or fallbacks make no sense. Other fields
// of the wrong type are taken as absent: judging them is the provider's part.
//
// The model may be missing where OpenAI has a default for it (images,
// moderations) or takes it from a stored prompt (responses).
func ReadRequest(endpoint sdk.Endpoint, body []byte) (wire.Request, error) {
	r := wire.Request{Endpoint: endpoint, N: 1}
	var at [fieldCount]rawjson.Field
	if err := requestKeys.Scan(body, rawjson.DefaultDepth, at[:]); err != nil {
		return r, invalid("", "", err.Error())
	}
	raw := func(f int) []byte { return at[f].Value.Of(body) }

	if !isNull(raw(fModel)) && at[fModel].Value.Present() {
		var ok bool
		r.ModelAt = at[fModel].Value
		if r.Model, ok = rawjson.Unquote(raw(fModel)); !ok || r.Model == "" {
			return r, invalid("model", "invalid_type", "must be a string that is not empty")
		}
	} else if !modelOptional(endpoint) {
		return r, invalid("model", "missing_required_parameter", "you must say which model is to answer")
	}
	switch stream := raw(fStream); {
	case isTrue(stream):
		r.Stream = true
	case len(stream) > 0 && !isNull(stream) && string(stream) != "false":
		return r, invalid("stream", "invalid_type", "must be true or false")
	}
	if r.FallbacksAt = at[fFallbacks].Value; r.FallbacksAt.Present() {
		var err *wire.Error
		if r.Fallbacks, err = wire.ReadFallbacks(raw(fFallbacks)); err != nil {
			return r, err
		}
	}
	r.StreamOptions = at[fStreamOptions].Value
	r.Usage = isTrue(rawjson.Child(raw(fStreamOptions), "include_usage"))
	if n, ok := rawjson.Int(raw(fN)); ok && n > 1 {
		r.N = int(min(n, 1<<20))
	}
	for _, f := range [...]int{fMaxTokens, fMaxOutputTokens, fMaxCompletionTokens} { // the last one wins
		if n, ok := rawjson.Int(raw(f)); ok && n > 0 {
			r.MaxTokens = n
		}
	}
	r.TemperatureAt = at[fTemperature].Value
	r.Tools = filled(raw(fTools)) || filled(raw(fFunctions))
	r.JSON = wantsJSON(raw(fResponseFormat)) || wantsJSON(rawjson.Child(raw(fText), "format"))
	if at[fUser].Value.Present() {
		r.User, _ = rawjson.Unquote(raw(fUser)) // of another type: nobody's
	}

	var p prompt.Prompt
	var head []byte
	for _, f := range [...]int{fInstructions, fQuery, fDocuments, fPrompt, fInput, fMessages} {
		if h := p.Read(raw(f)); h != nil {
			head = h
		}
	}
	r.Images = p.Images
	r.Tokens = p.Tokens(len(raw(fTools)) + len(raw(fFunctions)))
	if endpoint == sdk.Responses {
		r.Previous, _ = rawjson.Unquote(raw(fPreviousResponseID)) // null or of another type: none
		r.Unstored = string(raw(fStore)) == "false"
	}
	switch endpoint {
	case sdk.Chat, sdk.Completions, sdk.Responses:
		r.Prefix = prompt.Prefix(raw(fPromptCacheKey), raw(fTools), raw(fInstructions), head)
	}
	return r, nil
}

// Outgoing appends to edits what makes body, from which r was read, fit for a
// provider: the model under the provider's name for it, our own extensions out,
// and, where usage is set, the usage asked for in a chat or completions stream
// whose client did not.
//
// An unchanged body needs no edit. A chunk that only we asked for has the class
// [wire.UsageOnly] and is to be dropped.
func Outgoing(edits []rawjson.Edit, body []byte, r *wire.Request, model string, usage bool) []rawjson.Edit {
	if model != r.Model && (r.ModelAt.Present() || r.Model == "") { // else it is not in the body
		edits = append(edits, rawjson.Edit{Op: rawjson.Set, Key: "model", Value: rawjson.AppendQuote(nil, model)})
	}
	if r.FallbacksAt.Present() {
		edits = append(edits, rawjson.Edit{Op: rawjson.Delete, Key: "fallbacks"})
	}
	if usage && r.Stream && !r.Usage && (r.Endpoint == sdk.Chat || r.Endpoint == sdk.Completions) {
		options := []byte(`{"include_usage":true}`)
		if given := r.StreamOptions.Of(body); rawjson.IsObject(given) {
			on := []rawjson.Edit{{Op: rawjson.Set, Key: "include_usage", Value: []byte("true")}}
			if both, err := rawjson.Splice(nil, given, on); err == nil {
				options = both
			}
		}
		edits = append(edits, rawjson.Edit{Op: rawjson.Set, Key: "stream_options", Value: options})
	}
	return edits
}

// Temperature is the one that a request asks for, which was read from body: 1,
// OpenAI's default, where it does not say, and 0 where its endpoint draws nothing.
func Temperature(body []byte, r *wire.Request) float64 {
	switch r.Endpoint {
	case sdk.Chat, sdk.Completions, sdk.Responses:
	default:
		return 0
	}
	const longest = 32 // of a number that makes sense
	if raw := r.TemperatureAt.Of(body); len(raw) > 0 && len(raw) <= longest {
		if t, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return t
		}
	}
	return 1
}

func modelOptional(endpoint sdk.Endpoint) bool {
	switch endpoint {
	case sdk.ImageGeneration, sdk.ImageEdit, sdk.ImageVariation, sdk.Moderations, sdk.Responses:
		return true
	}
	return false
}

// wantsJSON tells whether a response format is json_object or json_schema.
func wantsJSON(format []byte) bool {
	switch string(rawjson.Child(format, "type")) {
	case `"json_object"`, `"json_schema"`:
		return true
	}
	return false
}

// filled tells whether a value is an array that is not empty.
func filled(raw []byte) bool {
	c := rawjson.Cursor{Doc: raw}
	return c.Array() && c.More()
}

func isTrue(raw []byte) bool { return string(raw) == "true" }
func isNull(raw []byte) bool { return string(raw) == "null" }

func invalid(param, code, message string) *wire.Error {
	return &wire.Error{Status: 400, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

package bedrock

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// exceptions are Bedrock's, in small letters: the status that each is, as
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
// says, and what it is about. Those of a model that failed are 408 and 424 there,
// which elsewhere are the client's doing.
var exceptions = map[string]struct {
	status int
	hint   wire.Hint
}{
	"throttlingexception":           {http.StatusTooManyRequests, wire.RateLimited},
	"servicequotaexceededexception": {http.StatusTooManyRequests, wire.RateLimited},
	"modelnotreadyexception":        {http.StatusServiceUnavailable, wire.Overloaded},
	"serviceunavailableexception":   {http.StatusServiceUnavailable, wire.Overloaded},
	"internalserverexception":       {http.StatusInternalServerError, wire.NoHint},
	"modelerrorexception":           {http.StatusBadGateway, wire.Overloaded},
	"modelstreamerrorexception":     {http.StatusBadGateway, wire.Overloaded},
	"modeltimeoutexception":         {http.StatusGatewayTimeout, wire.Overloaded},
	"resourcenotfoundexception":     {http.StatusNotFound, wire.ModelMissing},
	"validationexception":           {http.StatusBadRequest, wire.NoHint},
	"accessdeniedexception":         {http.StatusForbidden, wire.NoHint},
	// Those of all of AWS:
	// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
	"expiredtokenexception":          {http.StatusUnauthorized, wire.BadKey},
	"incompletesignatureexception":   {http.StatusUnauthorized, wire.BadKey},
	"invalidsignatureexception":      {http.StatusUnauthorized, wire.BadKey},
	"missingauthenticationexception": {http.StatusUnauthorized, wire.BadKey},
	"unrecognizedclientexception":    {http.StatusUnauthorized, wire.BadKey},
}

// failure reads an error answer: its kind is in a header, or in the body.
func failure(status int, header http.Header, body []byte) wire.Failure {
	f := openai.ReadError(status, header, body)
	if f.Message == "" {
		f.Message, _ = rawjson.Unquote(rawjson.Child(body, "Message")) // as IAM writes it
	}
	kind := header.Get("X-Amzn-Errortype")
	if kind == "" {
		kind, _ = rawjson.Unquote(rawjson.Child(body, "__type"))
	}
	kind, _, _ = strings.Cut(kind, ":")              // a URL follows
	kind = kind[strings.LastIndexByte(kind, '#')+1:] // a namespace is before
	if kind == "" {
		return f
	}
	f.Type = kind
	judge(&f)
	return f
}

// judge says what an exception is about, as its name and its words tell.
func judge(f *wire.Failure) {
	said := strings.ToLower(f.Message)
	switch e, known := exceptions[strings.ToLower(f.Type)]; {
	case f.Hint == wire.ContextTooLong:
	case strings.Contains(said, "model identifier is invalid"), strings.Contains(said, "on-demand throughput isn"),
		strings.Contains(said, "access to the model"):
		f.Hint = wire.ModelMissing
	case known && f.Hint != wire.ModelMissing:
		f.Hint = e.hint
	}
}

// appendException appends an exception in a stream as the hub has errors. Its
// code is the status that it would have been.
func appendException(dst []byte, e *sse.Event) []byte {
	x, known := exceptions[strings.ToLower(string(e.Type))]
	if !known {
		x.status = http.StatusBadGateway
	}
	said, _ := rawjson.Unquote(rawjson.Child(e.Data, "originalMessage")) // the model's own words
	if said == "" {
		said, _ = rawjson.Unquote(rawjson.Child(e.Data, "message"))
	}
	dst = rawjson.AppendQuote(append(dst, `{"error":{"type":`...), string(e.Type))
	dst = rawjson.AppendQuote(append(dst, `,"code":`...), strconv.Itoa(x.status))
	dst = rawjson.AppendQuote(append(dst, `,"message":`...), said)
	return append(dst, `}}`...)
}

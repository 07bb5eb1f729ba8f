package gemini

import (
	"bytes"
	"encoding/base64"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// What another provider's thought is signed with can be given to clients of
// Gemini's only as bytes in base64. It gets a mark before it, of a length that
// base64 leaves whole, so that it is known again when it comes back.
const (
	strange  = "smartrouter:"
	redacted = strange + "redacted:"
)

// strangeText is the mark in base64.
var strangeText = []byte(base64.StdEncoding.EncodeToString([]byte(strange)))

// toClient is a signature of the hub's as a client of Gemini's gets it.
func toClient(s hub.Text) hub.Text {
	if own := hub.SignedBy(Name, s); own != nil {
		return own
	}
	return base64.StdEncoding.AppendEncode(nil, append([]byte(strange), s...))
}

// hide is an encrypted thought of another provider's, given as a signature.
func hide(data hub.Text) hub.Text {
	return base64.StdEncoding.AppendEncode(nil, append([]byte(redacted), data...))
}

// fromClient is a thought that has nothing but this signature: Gemini's, or
// another provider's that [toClient] or [hide] gave. Clients can make up any.
func fromClient(s hub.Text) hub.Part {
	if bytes.HasPrefix(s, strangeText) {
		plain, err := base64.StdEncoding.AppendDecode([]byte{'"'}, s)
		if err == nil && rawjson.Valid(append(plain, '"')) {
			plain = plain[1:]
			if data, ok := bytes.CutPrefix(plain, []byte(redacted)); ok {
				return hub.Part{Kind: hub.RedactedPart, Data: data}
			}
			return hub.Part{Kind: hub.ThoughtPart, Signature: plain[len(strange):]}
		}
	}
	return hub.Part{Kind: hub.ThoughtPart, Signature: hub.Sign(Name, s)}
}

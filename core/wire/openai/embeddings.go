package openai

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Embeddings is a request for embeddings, for formats that are translated to.
type Embeddings struct {
	// Texts are raw strings.
	Texts []hub.Raw
	// Dimensions; 0: as many as the model has.
	Dimensions int64
	// Base64: the vectors are wanted as the base64 of little-endian float32, as
	// OpenAI's SDKs ask for them.
	Base64 bool
	// Foreign are the fields that OpenAI does not know, by name.
	Foreign []hub.Foreign
}

// ReadEmbeddings reads a request for embeddings. Texts that come as tokens are
// refused: they are those of one model.
func ReadEmbeddings(body []byte) (*Embeddings, error) {
	q := &Embeddings{}
	c := rawjson.Cursor{Doc: body}
	c.Object()
	for c.Key() {
		switch name := string(c.Name); name {
		case "input":
			if err := q.read(&c); err != nil {
				return nil, err
			}
		case "dimensions":
			q.Dimensions, _ = c.Int()
		case "encoding_format":
			s, _ := c.Text()
			q.Base64 = s == "base64"
		case "model", "user", "fallbacks":
			c.Skip()
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: name, Value: c.Skip().Of(body)})
		}
	}
	if len(q.Texts) == 0 {
		return nil, invalid("input", "invalid_value", "must be a text, or an array of texts: tokens can't be sent to the provider of this model")
	}
	return q, nil
}

func (q *Embeddings) read(c *rawjson.Cursor) error {
	if c.Peek() == '"' {
		q.Texts = []hub.Raw{c.Skip().Of(c.Doc)}
		return nil
	}
	if !c.Array() {
		c.Skip()
		return nil
	}
	for c.More() {
		v := c.Skip().Of(c.Doc)
		if v[0] != '"' {
			return invalid("input", "invalid_value", "must be texts: tokens can't be sent to the provider of this model")
		}
		q.Texts = append(q.Texts, v)
	}
	return nil
}

// AppendTexts appends the texts, as an array.
func (q *Embeddings) AppendTexts(dst []byte) []byte {
	for i, t := range q.Texts {
		b := byte(',')
		if i == 0 {
			b = '['
		}
		dst = append(append(dst, b), t...)
	}
	return append(dst, ']')
}

// AppendEmbeddings appends an answer with a vector, an array of numbers, for
// each text.
func AppendEmbeddings(dst []byte, model hub.Text, vectors []hub.Raw, asBase64 bool, u *wire.Usage) ([]byte, error) {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = append(strconv.AppendInt(dst, int64(i), 10), `,"embedding":`...)
		if !asBase64 {
			dst = append(append(dst, v...), '}')
			continue
		}
		floats, err := float32s(v)
		if err != nil {
			return dst, err
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), floats)
		dst = append(dst, `"}`...)
	}
	dst = append(append(append(dst, `],"model":"`...), model...), `","usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Input, 10)
	return append(dst, "}}"...), nil
}

// float32s are the bytes of an array's numbers.
func float32s(array hub.Raw) (out []byte, err error) {
	c := rawjson.Cursor{Doc: array}
	for ok := c.Array(); ok && c.More(); {
		n := c.Skip().Of(array)
		f, err := strconv.ParseFloat(string(n), 32)
		if err != nil {
			return nil, fmt.Errorf("embedding: %q is no number", n)
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(f)))
	}
	return out, nil
}

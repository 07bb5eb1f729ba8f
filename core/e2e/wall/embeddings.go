package wall

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
)

// The fields of openai-go's EmbeddingNewParams.
var embeddingFields = fields("input model dimensions encoding_format user")

// maxDimensions is the length of a vector that is not shortened: that of text-embedding-3-small.
const maxDimensions = 1536

// embed answers with unit vectors: equal texts have equal vectors, others nearly never.
func (x *exchange) embed() {
	if r := x.knows(); r != nil {
		x.refuse(r)
		return
	}
	texts, r := x.strings("input")
	dimensions := maxDimensions
	if r == nil {
		r = x.decode("dimensions", "an integer", &dimensions)
	}
	format := x.text("encoding_format")
	switch {
	case r != nil:
	case dimensions < 1 || dimensions > maxDimensions:
		r = bad("invalid_value", "dimensions", "Invalid value for 'dimensions' = %d. Must be between 1 and %d.", dimensions, maxDimensions)
	case format != "" && format != "float" && format != "base64":
		r = bad("invalid_value", "encoding_format", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", format)
	}
	for _, text := range texts {
		if r == nil && text == "" {
			r = bad("", "input", "Invalid 'input': input cannot be an empty string.")
		}
	}
	if r != nil {
		x.refuse(r)
		return
	}

	b := append(x.buf[:0], `{"object":"list","data":[`...)
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = append(strconv.AppendInt(b, int64(i), 10), `,"embedding":`...)
		b = append(appendVector(b, vector(text, dimensions), format), '}')
	}
	b = appendJSON(append(b, `],"model":`...), x.model)
	n := strconv.Itoa(tokens(len(x.fields["input"])))
	b = append(b, `,"usage":{"prompt_tokens":`+n+`,"total_tokens":`+n+`}`...)
	if echo := x.echo(embeddingFields); echo != nil {
		b = append(append(b, `,"x_echo":`...), encode(echo)...)
	}
	x.whole(http.StatusOK, "application/json", append(b, '}'))
}

// vector is a unit vector that only text decides.
func vector(text string, dimensions int) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash never fails
	state := h.Sum64() | 1
	v, sum := make([]float32, dimensions), 0.0
	for i := range v {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		v[i] = float32(int32(state)) / math.MaxInt32
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

// appendVector writes numbers, or little-endian float32s in base64, which the Node SDK asks for by default.
func appendVector(b []byte, v []float32, format string) []byte {
	if format == "base64" {
		raw := make([]byte, 0, 4*len(v))
		for _, f := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), raw), '"')
	}
	b = append(b, '[')
	for i, f := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
	}
	return append(b, ']')
}

package demo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
	"unicode"
)

type embeddingRequest struct {
	Model          string    `json:"model"`
	Input          documents `json:"input"`
	EncodingFormat string    `json:"encoding_format"`
	Dimensions     *int      `json:"dimensions"`
}

// documents are one text or several, or the same as tokens. Each is its words.
type documents [][]string

// UnmarshalJSON takes the four forms.
func (d *documents) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil || len(raw) > 0 && isNumber(raw[0]) {
		raw = []json.RawMessage{b} // one text, or the tokens of one
	}
	for _, r := range raw {
		var text string
		var tokens []int
		switch {
		case json.Unmarshal(r, &text) == nil:
			*d = append(*d, strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
				return !unicode.IsLetter(c) && !unicode.IsDigit(c)
			}))
		case json.Unmarshal(r, &tokens) == nil:
			words := make([]string, len(tokens))
			for i, t := range tokens {
				words[i] = fmt.Sprint("token ", t)
			}
			*d = append(*d, words)
		default:
			return errors.New("input must be text or tokens")
		}
	}
	return nil
}

func isNumber(raw json.RawMessage) bool {
	var n float64
	return json.Unmarshal(raw, &n) == nil
}

const (
	maxDocuments      = 2048
	maxDimensions     = 4096
	defaultDimensions = 256
)

func (s *server) embed(w http.ResponseWriter, r *http.Request) {
	var q embeddingRequest
	m, ok := read(w, r, &q, &q.Model, true)
	if !ok {
		return
	}
	dimensions := defaultDimensions
	if q.Dimensions != nil {
		dimensions = *q.Dimensions
	}
	switch {
	case len(q.Input) == 0 || len(q.Input) > maxDocuments:
		refuse(w, http.StatusBadRequest, "", "input must be one text, or up to 2048")
		return
	case dimensions < 1 || dimensions > maxDimensions:
		refuse(w, http.StatusBadRequest, "", "dimensions must be from 1 to 4096")
		return
	}
	tokens := 0
	data := make([]object, len(q.Input))
	for i, words := range q.Input {
		tokens += len(words)
		v := vector(words, dimensions)
		data[i] = object{"object": "embedding", "index": i, "embedding": v}
		if q.EncodingFormat == "base64" {
			data[i]["embedding"] = encode(v)
		}
	}
	answer(w, http.StatusOK, object{
		"object": "list", "model": m.id, "data": data, "usage": object{"prompt_tokens": tokens, "total_tokens": tokens},
	})
}

// vector hashes words to directions: texts that share words are near, and the
// same text has the same vector everywhere. Its length is 1.
func vector(words []string, dimensions int) []float32 {
	sums := make([]float64, dimensions)
	for _, word := range words {
		h := fnv.New64a()
		h.Write([]byte(word))
		sum := h.Sum64()
		if at := sum % uint64(dimensions); sum>>63 == 0 {
			sums[at]++
		} else {
			sums[at]--
		}
	}
	var square float64
	for _, x := range sums {
		square += x * x
	}
	if square == 0 { // no words, or words that cancel out
		sums[0], square = 1, 1
	}
	v := make([]float32, dimensions)
	for i, x := range sums {
		v[i] = float32(x / math.Sqrt(square))
	}
	return v
}

// encode is the form of encoding_format = "base64".
func encode(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

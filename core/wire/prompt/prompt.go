// Package prompt sums up what a request gives a model to read, in whichever
// format: how long it is, whether there are images in it, and a hash of its head.
package prompt

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Prompt is what a request gives a model to read.
type Prompt struct {
	Images  bool
	text    int64 // bytes of strings
	numbers int64 // tokens that came as numbers
}

// BytesPerToken is the usual estimate for English in JSON; other scripts take
// more bytes a token in UTF-8 but fewer characters, which about cancels out.
const BytesPerToken = 4

// Tokens estimates the prompt with tools of so many bytes.
func (p *Prompt) Tokens(tools int) int64 {
	return (p.text+int64(tools)+BytesPerToken-1)/BytesPerToken + p.numbers
}

// Read takes in a field that a model reads: a string, an array of messages,
// items, parts, strings or numbers, or an object. It returns the head of it: the
// raw messages up to the first of the user's.
func (p *Prompt) Read(raw []byte) []byte {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		if len(raw) > 0 {
			p.value(&c)
		}
		return raw
	}
	head := raw
	for found := false; c.More(); {
		if c.Object() {
			if user := p.object(&c); user && !found {
				head, found = raw[:c.At], true
			}
			continue
		}
		p.value(&c)
	}
	return head
}

// value takes in the next value.
func (p *Prompt) value(c *rawjson.Cursor) {
	switch b := c.Peek(); {
	case b == '"':
		if s, _ := c.Str(); !bytes.HasPrefix(s, []byte("data:")) {
			p.text += int64(len(s))
		}
	case c.Array():
		for c.More() {
			p.value(c)
		}
	case c.Object():
		p.object(c)
	default:
		c.Skip()
		if b == '-' || b >= '0' && b <= '9' {
			p.numbers++
		}
	}
}

// object takes in a message, an item or a part that was entered, and tells
// whether it is a message of the user's.
//
// That an image is there is told by the key image_url of a chat part, or the
// type of a responses part (input_image), of a block of Anthropic's (image) or
// of Gemini's data (image/png), never by a text that speaks of these.
func (p *Prompt) object(c *rawjson.Cursor) (user bool) {
	for c.Key() {
		switch string(c.Name) {
		case "role":
			role, _ := c.Str()
			user = string(role) == "user"
		case "type":
			kind, _ := c.Str()
			p.Images = p.Images || string(kind) == "input_image" || string(kind) == "image"
		case "content", "output", "parts":
			p.value(c)
		case "image_url":
			p.Images = true
			c.Skip()
		case "input_audio", "audio", "file", "file_data", "file_url", "file_id", "detail", // bytes in base64, or their place
			"encrypted_content", "result", "id", "call_id", "tool_call_id", "status",
			"source", "signature", "data", "tool_use_id", "cache_control": // Anthropic's
			c.Skip()
		case "inlineData", "inline_data", "fileData": // Gemini's
			at := c.Skip()
			const head = 256 // bytes, in which the type stands
			media := c.Doc[at.Start:min(at.End, at.Start+head)]
			p.Images = p.Images || bytes.Contains(media, []byte(`"image/`))
		case "thoughtSignature", "thought_signature":
			c.Skip()
		default: // text, refusal, tool_calls, arguments, whatever comes next
			at := c.Skip()
			p.text += int64(at.End - at.Start)
		}
	}
	return user
}

// prefixBytes is how much of each end of a part goes into the prefix hash.
const prefixBytes = 4 << 10

// Prefix hashes what stays the same over the turns of one conversation and is
// therefore in the provider's prompt cache after the first: tools, instructions
// and the messages up to the first one of the user's. With that first message
// in it, talks that share a system prompt still spread over the channels,
// where each channel soon has the system prompt in its cache; without it one
// channel would get them all. Of long parts both ends count.
//
// A client that sends prompt_cache_key says itself which requests belong
// together, and only the key is hashed. OpenAI routes alike: by a hash of about
// the first 256 tokens and that key
// (https://developers.openai.com/api/docs/guides/prompt-caching).
//
// The hash is the same in every process, since several routers must agree. It
// does not resist those who want collisions, which cost nothing but balance.
func Prefix(cacheKey, tools, instructions, head []byte) uint64 {
	if len(cacheKey) > 2 && cacheKey[0] == '"' {
		return sum(1, cacheKey)
	}
	if len(tools)+len(instructions)+len(head) == 0 {
		return 0
	}
	h := uint64(2)
	for _, part := range [...][]byte{tools, instructions, head} {
		cut := min(len(part), prefixBytes)
		h = sum(h, part[:cut])
		h = sum(h, part[max(cut, len(part)-prefixBytes):])
	}
	return h
}

// sum mixes b into h by 16 bytes a multiplication, as wyhash does.
func sum(h uint64, b []byte) uint64 {
	const k1, k2 = 0xa0761d6478bd642f, 0xe7037ed1a0b428db
	h ^= uint64(len(b))
	for ; len(b) >= 16; b = b[16:] {
		h = mix(binary.LittleEndian.Uint64(b)^k1, binary.LittleEndian.Uint64(b[8:])^h)
	}
	var tail [16]byte
	copy(tail[:], b)
	return mix(binary.LittleEndian.Uint64(tail[:])^k2, binary.LittleEndian.Uint64(tail[8:])^h^k1)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

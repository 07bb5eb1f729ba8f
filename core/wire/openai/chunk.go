package openai

import (
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The lanes of a choice: the strings that grow from chunk to chunk. The two
// names of reasoning are two lanes, since a client reads the one or the other,
// and some providers send both.
const (
	laneText             = iota // content in chat, text in completions
	laneReasoningContent        // DeepSeek, SGLang
	laneReasoning               // vLLM, OpenRouter
	laneRefusal
	laneCount
)

// maxPieces is how many choices, and how many calls, a chunk may have to be
// understood: more than any API gives (OpenAI: 128).
const maxPieces = 1024

var laneKeys = [laneCount]string{"content", "reasoning_content", "reasoning", "refusal"}

// The fields of a chunk that are the same in all chunks of a stream.
const (
	headID = iota
	headCreated
	headModel
	headFingerprint
	headTier
	headCount
)

var headKeys = [headCount]string{"id", "created", "model", "system_fingerprint", "service_tier"}

// chunk says what is where in an event of a chat or completions stream. It is
// read over and over, so its slices are made once.
type chunk struct {
	head    [headCount]rawjson.Range
	choices rawjson.Range
	usage   rawjson.Range
	pieces  []piece
	calls   []callPiece // of all pieces
	failed  bool        // it has an error
	// odd tells that it has something that is neither understood nor known to
	// be of no consequence. What could be read was read.
	odd bool
	// many tells that there are more choices or calls than were noted.
	many bool
}

// piece is what a chunk adds to one choice.
type piece struct {
	at     rawjson.Range // the choice
	index  int64
	delta  rawjson.Range
	role   rawjson.Range
	lanes  [laneCount]rawjson.Range // strings with their quotes
	tools  rawjson.Range            // the array of calls
	first  int                      // its first call among the chunk's
	calls  int
	finish rawjson.Range // a string that is not empty
}

// callPiece is what a chunk adds to one tool call.
type callPiece struct {
	at        rawjson.Range // the call
	index     int64         // -1 where there is none
	id        rawjson.Range // this and the others: strings with their quotes
	kind      rawjson.Range
	function  rawjson.Range // an object
	name      rawjson.Range
	arguments rawjson.Range
}

// read reads an event's data, which must be an object to be understood.
func (k *chunk) read(endpoint sdk.Endpoint, data []byte) {
	*k = chunk{pieces: k.pieces[:0], calls: k.calls[:0]}
	c := rawjson.Cursor{Doc: data}
	if !c.Object() {
		k.odd = true
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "id":
			k.head[headID] = c.Skip()
		case "created":
			k.head[headCreated] = c.Skip()
		case "model":
			k.head[headModel] = c.Skip()
		case "system_fingerprint":
			k.head[headFingerprint] = c.Skip()
		case "service_tier":
			k.head[headTier] = c.Skip()
		case "choices":
			k.odd = k.odd || k.choices.Present()
			c.Peek()
			start := c.At
			if c.Array() {
				for c.More() {
					k.choice(endpoint, &c)
				}
			} else {
				k.refuse(&c)
			}
			k.choices = rawjson.Range{Start: start, End: c.At}
		case "usage":
			if k.usage = c.Skip(); !rawjson.IsObject(k.usage.Of(data)) {
				k.usage = rawjson.Range{}
			}
		case "error":
			k.failed = given(&c) || k.failed
		case "object", "type":
			if kind, ok := c.Str(); ok && string(kind) == "error" {
				k.failed = true
			}
		case "citations", "search_results":
			// The provider has searched (Perplexity); the next one would find
			// other pages, and number them otherwise.
			k.refuse(&c)
		default:
			c.Skip()
		}
	}
	k.odd = k.odd || c.Cut
}

// refuse skips a value that is not understood: there may be nothing in it.
func (k *chunk) refuse(c *rawjson.Cursor) { k.odd = given(c) || k.odd }

// text notes where a string is; of null the place alone, which is an empty
// range. Of two equal keys clients would take one.
func (k *chunk) text(at *rawjson.Range, c *rawjson.Cursor) {
	k.odd = k.odd || at.End > 0
	if c.Peek() == '"' {
		*at = c.Skip()
		return
	}
	k.refuse(c)
	*at = rawjson.Range{Start: c.At, End: c.At}
}

func (k *chunk) choice(endpoint sdk.Endpoint, c *rawjson.Cursor) {
	p := piece{first: len(k.calls)}
	c.Peek()
	p.at.Start = c.At
	if !c.Object() {
		k.odd = true
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "index":
			var ok bool
			p.index, ok = c.Int()
			k.odd = k.odd || !ok
		case "delta":
			k.odd = k.odd || p.delta.Present() || endpoint != sdk.Chat
			c.Peek()
			start := c.At
			if c.Object() {
				k.delta(&p, c)
				p.delta = rawjson.Range{Start: start, End: c.At}
			} else {
				k.refuse(c)
			}
		case "text":
			if endpoint != sdk.Completions {
				k.refuse(c)
				continue
			}
			k.text(&p.lanes[laneText], c)
		case "finish_reason":
			k.text(&p.finish, c)
			switch string(p.finish.Of(c.Doc)) {
			case `""`:
				p.finish.Start = p.finish.End
			case `"error"`:
				k.failed = true
			}
		case "logprobs":
			k.logprobs(c)
		case "message":
			k.refuse(c)
		default: // content_filter_results, native_finish_reason, stop_reason ...
			c.Skip()
		}
	}
	p.at.End = c.At
	p.calls = len(k.calls) - p.first
	if len(k.pieces) == maxPieces {
		k.odd, k.many = true, true
		return
	}
	k.pieces = append(k.pieces, p)
}

// logprobs of a text can't be cut where the text is; an object of empty lists
// is none.
func (k *chunk) logprobs(c *rawjson.Cursor) {
	if !c.Object() {
		k.refuse(c)
		return
	}
	for c.Key() {
		k.refuse(c)
	}
}

func (k *chunk) delta(p *piece, c *rawjson.Cursor) {
	for c.Key() {
		switch string(c.Name) {
		case "role":
			k.text(&p.role, c)
		case "content":
			k.text(&p.lanes[laneText], c)
		case "reasoning_content":
			k.text(&p.lanes[laneReasoningContent], c)
		case "reasoning":
			k.text(&p.lanes[laneReasoning], c)
		case "refusal":
			k.text(&p.lanes[laneRefusal], c)
		case "tool_calls":
			k.odd = k.odd || p.tools.Present()
			c.Peek()
			start := c.At
			if c.Array() {
				for c.More() {
					k.call(c)
				}
				p.tools = rawjson.Range{Start: start, End: c.At}
			} else {
				k.refuse(c)
			}
		default:
			// Audio, images, signed or encrypted reasoning, the old
			// function_call, results of tools that the provider ran
			// (executed_tools, annotations), and what nobody knows yet.
			k.refuse(c)
		}
	}
}

func (k *chunk) call(c *rawjson.Cursor) {
	p := callPiece{index: -1}
	c.Peek()
	p.at.Start = c.At
	if !c.Object() {
		k.odd = true
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "index":
			if n, ok := c.Int(); ok {
				p.index = n
			}
		case "id":
			k.text(&p.id, c)
		case "type":
			k.text(&p.kind, c)
			kind := p.kind.Of(c.Doc)
			k.odd = k.odd || len(kind) > 2 && string(kind) != `"function"`
		case "function":
			k.odd = k.odd || p.function.Present()
			c.Peek()
			start := c.At
			if !c.Object() {
				k.refuse(c)
				continue
			}
			for c.Key() {
				switch string(c.Name) {
				case "name":
					k.text(&p.name, c)
				case "arguments":
					k.text(&p.arguments, c)
				default:
					k.refuse(c)
				}
			}
			p.function = rawjson.Range{Start: start, End: c.At}
		default: // the signature of a thought, a call that is no function's
			k.refuse(c)
		}
	}
	p.at.End = c.At
	k.odd = k.odd || p.index < 0
	if len(k.calls) == maxPieces {
		k.odd, k.many = true, true
		return
	}
	k.calls = append(k.calls, p)
}

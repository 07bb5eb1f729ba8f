package hub

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Chunk is one event of the hub's streams, read by a [Writer]. It is read over
// and over, so its slices are made once, and calls are numbered over all events;
// texts point into the event.
type Chunk struct {
	ID, Model Text
	Created   int64
	Deltas    []Delta
	// Usage is set where Counted.
	Usage   wire.Usage
	Counted bool
	// Failed: the event is an error.
	Failed  bool
	calls   []CallDelta
	numbers numbers
}

// Delta is what a chunk adds to one choice.
type Delta struct {
	Index     int64
	Text      Text
	Thought   Text
	Signature Text
	Redacted  Text
	Refusal   Text
	Citations Raw // an array
	Logprobs  Raw // an object
	Foreign   Foreign
	Finish
	first, calls int // among the chunk's
}

// CallDelta is what it adds to one tool call.
type CallDelta struct {
	Index     int64 // the number of the call in its choice, whatever the provider says
	First     bool  // it begins here
	ID, Name  Text  // where it begins
	Arguments Text  // a piece of a JSON text, as the inside of a JSON string
	Signature Text
	// Custom: Arguments are a piece of free text.
	Custom bool
}

// Calls of a delta.
func (k *Chunk) Calls(d *Delta) []CallDelta { return k.calls[d.first : d.first+d.calls] }

// Read reads an event's data, which is one well-formed object. What it does not
// know it leaves out.
func (k *Chunk) Read(data []byte) {
	*k = Chunk{Deltas: k.Deltas[:0], calls: k.calls[:0], numbers: k.numbers}
	c := rawjson.Cursor{Doc: data}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "id":
			k.ID = c.Inside()
		case "model":
			k.Model = c.Inside()
		case "created":
			k.Created, _ = c.Int()
		case "choices":
			if !c.Array() {
				c.Skip()
				continue
			}
			for c.More() {
				k.choice(&c)
			}
		case "usage":
			if c.Peek() == '{' {
				k.Counted = true
				k.Usage = ReadUsage(&c)
				continue
			}
			c.Skip()
		case "error":
			k.Failed = k.Failed || c.Peek() != 'n'
			c.Skip()
		default:
			c.Skip()
		}
	}
}

func (k *Chunk) choice(c *rawjson.Cursor) {
	d := Delta{first: len(k.calls)}
	if !c.Object() {
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "index":
			d.Index, _ = c.Int()
		case "delta", "message":
			if c.Object() {
				k.delta(&d, c)
			} else {
				c.Skip()
			}
		case "finish_reason":
			d.Reason = ReasonOf(c.Inside())
		case "native_finish_reason":
			d.Native, _ = c.Text()
		case "stop_sequence":
			d.Stop = c.Inside()
		case "logprobs":
			if c.Peek() == '{' {
				d.Logprobs = c.Skip().Of(c.Doc)
			} else {
				c.Skip()
			}
		default:
			d.Foreign.Read(c)
		}
	}
	d.calls = len(k.calls) - d.first
	for i := range k.Calls(&d) {
		k.numbers.give(d.Index, &k.calls[d.first+i])
	}
	k.Deltas = append(k.Deltas, d)
}

// Read skips the value of a field, and takes it in where it is one of those that
// only one format knows.
func (f *Foreign) Read(c *rawjson.Cursor) {
	if of, is := bytes.CutPrefix(c.Name, []byte(Extension)); is && c.Peek() == '{' {
		f.Format, f.Value = string(of), c.Skip().Of(c.Doc)
		return
	}
	c.Skip()
}

func (k *Chunk) delta(d *Delta, c *rawjson.Cursor) {
	for c.Key() {
		switch string(c.Name) {
		case "content":
			d.Text = c.Inside()
		case "reasoning_content":
			d.Thought = c.Inside()
		case "reasoning":
			// Some providers send both names; the one is as good as the other.
			if t := c.Inside(); len(d.Thought) == 0 {
				d.Thought = t
			}
		case "reasoning_details":
			d.details(c)
		case "refusal":
			d.Refusal = c.Inside()
		case "citations":
			if c.Peek() == '[' {
				d.Citations = c.Skip().Of(c.Doc)
			} else {
				c.Skip()
			}
		case "tool_calls":
			if !c.Array() {
				c.Skip()
				continue
			}
			for c.More() {
				k.call(c)
			}
		default:
			c.Skip()
		}
	}
}

func (d *Delta) details(c *rawjson.Cursor) {
	if !c.Array() {
		c.Skip()
		return
	}
	for c.More() {
		if !c.Object() {
			c.Skip()
			continue
		}
		for c.Key() {
			switch string(c.Name) {
			case "signature":
				d.Signature = c.Inside()
			case "data":
				d.Redacted = c.Inside()
			default:
				c.Skip()
			}
		}
	}
}

func (k *Chunk) call(c *rawjson.Cursor) {
	var d CallDelta
	if !c.Object() {
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "index":
			d.Index, _ = c.Int()
		case "id":
			d.ID = c.Inside()
		case "signature":
			d.Signature = c.Inside()
		case "function", "custom":
			d.Custom = string(c.Name) == "custom"
			if !c.Object() {
				c.Skip()
				continue
			}
			for c.Key() {
				switch string(c.Name) {
				case "name":
					d.Name = c.Inside()
				case "arguments", "input":
					d.Arguments = c.Inside()
				default:
					c.Skip()
				}
			}
		default:
			c.Skip()
		}
	}
	k.calls = append(k.calls, d)
}

// ReadUsage reads the next value, an object, by its names in chat, completions and
// embeddings (prompt_tokens ...) or in responses, images and audio (input_tokens
// ...), and by DeepSeek's for cached tokens
// (https://api-docs.deepseek.com/guides/kv_cache). Some relays write all of these
// names, and 0 for those that they mean nothing by.
func ReadUsage(c *rawjson.Cursor) wire.Usage {
	var u wire.Usage
	if !c.Object() {
		c.Skip()
		return u
	}
	for c.Key() {
		switch string(c.Name) {
		case "prompt_tokens", "input_tokens":
			count(c, &u.Input)
		case "completion_tokens", "output_tokens":
			count(c, &u.Output)
		case "total_tokens":
			count(c, &u.Total)
		case "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details":
			details(c, &u)
		case "prompt_cache_hit_tokens":
			count(c, &u.Cached)
		default:
			c.Skip()
		}
	}
	if u.Total == 0 {
		u.Total = u.Input + u.Output
	}
	return u
}

func details(c *rawjson.Cursor, u *wire.Usage) {
	if !c.Object() {
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "cached_tokens":
			count(c, &u.Cached)
		case "cache_write_tokens": // OpenRouter's name
			count(c, &u.CacheWrite)
		case "reasoning_tokens":
			count(c, &u.Reasoning)
		default:
			c.Skip()
		}
	}
}

// count takes in a number of tokens, where the next value is one.
func count(c *rawjson.Cursor, n *int64) {
	if v, ok := c.Int(); ok && v > 0 {
		*n = v
	}
}

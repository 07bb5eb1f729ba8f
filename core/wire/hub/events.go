package hub

import (
	"slices"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// Events are what a [Reader] makes of one event of a provider: events of the
// hub, which are OpenAI's chunks. They have these extensions:
//
//	delta.reasoning_content   what the model thinks
//	delta.reasoning_details   [{"type":"reasoning.text","signature":...}] ends a
//	                          thought that is signed, [{"type":"reasoning.encrypted",
//	                          "data":...}] is one that is encrypted
//	delta.citations           where the text before is from, as the provider says it
//	choice.native_finish_reason and choice.stop_sequence
//	choice.x_FORMAT           what only the provider's format says, an object
//	usage.prompt_tokens_details.cache_write_tokens
type Events struct {
	// Now is the time that is told where the provider tells none, in Unix seconds.
	Now int64
	// ID and Model are what the answer is called where the provider names none.
	ID, Model Text
	// Customs are the functions that stand for custom tools.
	Customs []string

	custom []unwrapper // of the calls of those
	head   []byte      // of every chunk, up to its choices
	buf    []byte
	ends   []int
	at     int // the next to be given out
}

// Reset drops the events; the head stays.
func (o *Events) Reset() { o.buf, o.ends, o.at = o.buf[:0], o.ends[:0], 0 }

// Next gives out the next event. Its bytes are good until Reset.
func (o *Events) Next(e *sse.Event) bool {
	if o.at == len(o.ends) {
		return false
	}
	start := 0
	if o.at > 0 {
		start = o.ends[o.at-1]
	}
	raw := o.buf[start:o.ends[o.at]:o.ends[o.at]]
	*e = sse.Event{Raw: raw, Data: raw[len(before) : len(raw)-len(after)]}
	o.at++
	return true
}

const (
	before = "data: "
	after  = "\n\n"
)

func (o *Events) end() {
	o.buf = append(o.buf, after...)
	o.ends = append(o.ends, len(o.buf))
}

// Start names the answer; it has to come first. created is 0 where the provider
// does not say.
func (o *Events) Start(id, model Text, created int64) {
	if created == 0 {
		created = o.Now
	}
	if len(id) == 0 {
		id = o.ID
	}
	if len(model) == 0 {
		model = o.Model
	}
	h := append(o.head[:0], before+`{"id":"`...)
	h = append(append(h, id...), `","object":"chat.completion.chunk","created":`...)
	h = strconv.AppendInt(h, created, 10)
	h = append(append(h, `,"model":"`...), model...)
	o.head = append(h, `","choices":[`...)
}

// Started tells whether Start was called.
func (o *Events) Started() bool { return len(o.head) > 0 }

func (o *Events) choice(index int64) {
	if !o.Started() {
		o.Start(nil, nil, 0)
	}
	o.buf = append(append(o.buf, o.head...), `{"index":`...)
	o.buf = append(strconv.AppendInt(o.buf, index, 10), `,"delta":{`...)
}

const open = `},"finish_reason":null}]}` // of a choice that goes on

func (o *Events) delta(index int64, name string, value Text) {
	o.choice(index)
	o.buf = append(append(append(o.buf, '"'), name...), `":"`...)
	o.buf = append(append(append(o.buf, value...), '"'), open...)
	o.end()
}

// Role begins a choice.
func (o *Events) Role(index int64) {
	o.choice(index)
	o.buf = append(append(o.buf, `"role":"assistant","content":""`...), open...)
	o.end()
}

// Text is a piece of the answer.
func (o *Events) Text(index int64, t Text) { o.delta(index, "content", t) }

// Thought is a piece of what the model thinks.
func (o *Events) Thought(index int64, t Text) { o.delta(index, "reasoning_content", t) }

// Refusal is a piece of one.
func (o *Events) Refusal(index int64, t Text) { o.delta(index, "refusal", t) }

// Signature ends a thought.
func (o *Events) Signature(index int64, t Text) {
	o.detail(index, `{"type":"reasoning.text","signature":"`, t)
}

// Redacted is a whole thought that is encrypted.
func (o *Events) Redacted(index int64, t Text) {
	o.detail(index, `{"type":"reasoning.encrypted","data":"`, t)
}

func (o *Events) detail(index int64, begin string, t Text) {
	o.choice(index)
	o.buf = append(append(o.buf, `"reasoning_details":[`...), begin...)
	o.buf = append(append(append(o.buf, t...), `"}]`...), open...)
	o.end()
}

// Citation of the text before it.
func (o *Events) Citation(index int64, value Raw) {
	o.choice(index)
	at := len(o.buf)
	o.buf = append(append(o.buf, `"citations":[`...), value...)
	o.oneLine(at)
	o.buf = append(append(o.buf, ']'), open...)
	o.end()
}

// Logprobs of the text before, as chat has them.
func (o *Events) Logprobs(index int64, value Raw) { o.beside(index, "logprobs", value) }

// Foreign is an object of what only the provider's format says.
func (o *Events) Foreign(index int64, f *Foreign) { o.beside(index, Extension+f.Format, f.Value) }

// Extension is what the name of a field begins with that only one format knows,
// before that format's name.
const Extension = "x_"

// beside adds a value beside a delta of nothing.
func (o *Events) beside(index int64, name string, value Raw) {
	o.choice(index)
	o.buf = append(append(append(o.buf, `},"`...), name...), `":`...)
	at := len(o.buf)
	o.buf = append(o.buf, value...)
	o.oneLine(at)
	o.buf = append(o.buf, `,"finish_reason":null}]}`...)
	o.end()
}

// oneLine makes blanks of the line breaks between values, from at on: they would
// end the event's data.
func (o *Events) oneLine(at int) {
	for i := at; i < len(o.buf); i++ {
		if o.buf[i] == '\n' || o.buf[i] == '\r' {
			o.buf[i] = ' '
		}
	}
}

// Call begins the call number n of a choice; signature may be empty.
func (o *Events) Call(index, n int64, c *Call) {
	if !slices.Contains(o.Customs, string(c.Name)) {
		o.begin(index, n, c)
		return
	}
	o.custom = append(o.custom, unwrapper{index: index, call: n})
	o.begin(index, n, &Call{ID: c.ID, Name: c.Name, Custom: true})
	o.customInput(&o.custom[len(o.custom)-1], c.Input)
}

func (o *Events) begin(index, n int64, c *Call) {
	o.choice(index)
	o.buf = append(o.buf, `"tool_calls":[{"index":`...)
	o.buf = append(strconv.AppendInt(o.buf, n, 10), `,"id":"`...)
	o.buf = append(o.buf, c.ID...)
	if c.Custom {
		o.buf = append(o.buf, `","type":"custom","custom":{"name":"`...)
		o.buf = append(append(o.buf, c.Name...), `","input":`...)
	} else {
		o.buf = append(o.buf, `","type":"function","function":{"name":"`...)
		o.buf = append(append(o.buf, c.Name...), `","arguments":`...)
	}
	o.buf = rawjson.AppendQuote(o.buf, string(c.Input))
	o.buf = append(o.buf, '}')
	if len(c.Signature) > 0 {
		o.buf = append(append(append(o.buf, `,"signature":"`...), c.Signature...), '"')
	}
	o.buf = append(append(o.buf, `}]`...), open...)
	o.end()
}

// Arguments is a piece of a call's input: a piece of a JSON text, as the inside
// of a JSON string.
func (o *Events) Arguments(index, n int64, t Text) {
	if u := o.unwrapper(index, n); u != nil {
		piece, _ := rawjson.AppendText(nil, t)
		o.customInput(u, piece)
		return
	}
	o.choice(index)
	o.buf = append(o.buf, `"tool_calls":[{"index":`...)
	o.buf = append(strconv.AppendInt(o.buf, n, 10), `,"function":{"arguments":"`...)
	o.buf = append(append(append(o.buf, t...), `"}}]`...), open...)
	o.end()
}

func (o *Events) unwrapper(index, n int64) *unwrapper {
	for i := range o.custom {
		if u := &o.custom[i]; u.index == index && u.call == n {
			return u
		}
	}
	return nil
}

// customInput is a piece of what the function is called with.
func (o *Events) customInput(u *unwrapper, piece []byte) {
	if text := u.feed(nil, piece); len(text) > 0 {
		o.Input(u.index, u.call, text)
	}
}

// Input is a piece of what a custom tool is called with.
func (o *Events) Input(index, n int64, t Text) {
	o.choice(index)
	o.buf = append(o.buf, `"tool_calls":[{"index":`...)
	o.buf = append(strconv.AppendInt(o.buf, n, 10), `,"custom":{"input":"`...)
	o.buf = append(append(append(o.buf, t...), `"}}]`...), open...)
	o.end()
}

// Finish ends a choice.
func (o *Events) Finish(index int64, f *Finish) {
	for i := range o.custom {
		if u := &o.custom[i]; u.index == index {
			if head := u.left(); len(head) > 0 {
				o.Input(u.index, u.call, rawjson.Escaped(string(head)))
			}
		}
	}
	o.choice(index)
	o.buf = AppendFinish(append(o.buf, '}', ','), f)
	o.buf = append(o.buf, `}]}`...)
	o.end()
}

// AppendFinish appends the fields of a choice that say why it ended.
func AppendFinish(dst []byte, f *Finish) []byte {
	dst = append(append(append(dst, `"finish_reason":"`...), f.Reason...), '"')
	if f.Native != "" {
		dst = rawjson.AppendQuote(append(dst, `,"native_finish_reason":`...), f.Native)
	}
	if len(f.Stop) > 0 {
		dst = append(append(append(dst, `,"stop_sequence":"`...), f.Stop...), '"')
	}
	return dst
}

// Usage tells the tokens of the whole answer; it comes last.
func (o *Events) Usage(u *wire.Usage) {
	if !o.Started() {
		o.Start(nil, nil, 0)
	}
	o.buf = append(append(o.buf, o.head...), `],"usage":`...)
	o.buf = append(AppendUsage(o.buf, u), '}')
	o.end()
}

// AppendUsage appends a usage object of chat.
func AppendUsage(dst []byte, u *wire.Usage) []byte {
	number := func(name string, n int64) {
		dst = strconv.AppendInt(append(append(append(dst, '"'), name...), `":`...), n, 10)
	}
	dst = append(dst, '{')
	number("prompt_tokens", u.Input)
	dst = append(dst, ',')
	number("completion_tokens", u.Output)
	dst = append(dst, ',')
	number("total_tokens", u.Total)
	if u.Cached > 0 || u.CacheWrite > 0 {
		dst = append(dst, `,"prompt_tokens_details":{`...)
		number("cached_tokens", u.Cached)
		if u.CacheWrite > 0 {
			dst = append(dst, ',')
			number("cache_write_tokens", u.CacheWrite)
		}
		dst = append(dst, '}')
	}
	if u.Reasoning > 0 {
		dst = append(dst, `,"completion_tokens_details":{`...)
		number("reasoning_tokens", u.Reasoning)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// Done is the terminator.
func (o *Events) Done() {
	o.buf = append(o.buf, before+"[DONE]"...)
	o.end()
}

// Copy adds an event whose data is the hub's own already. A line break between
// its values is a blank in it. An error of the provider's is one: its data has a
// key error.
func (o *Events) Copy(data []byte) {
	at := len(o.buf)
	o.buf = append(append(o.buf, before...), data...)
	o.oneLine(at)
	o.end()
}

package wall

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxEcho is how many bytes of a question an answer repeats.
const maxEcho = 2 << 10

// prompt is what the wall understands of a request, whatever endpoint it came by.
type prompt struct {
	text    string   // of the last user message
	images  int      // of all messages
	results []string // of tools, since the last user message
	tools   []tool
	choice  choice
	single  bool // parallel_tool_calls is false
	schema  json.RawMessage
	anyJSON bool // response_format json_object
	limit   int  // tokens; 0: none
	stops   []string
}

// tool is a function that the model may call.
type tool struct {
	name       string
	parameters json.RawMessage
}

// choice is a tool_choice: a mode, or one function by its name.
type choice struct{ mode, name string }

// call is a model's wish to call a tool.
type call struct{ name, arguments string }

// reply is what the model says: pieces of text, or calls.
type reply struct {
	pieces []string
	calls  []call
	finish string // stop, length or tool_calls
}

func (r reply) text() string { return strings.Join(r.pieces, "") }

func (r reply) tokens() int {
	n := len(r.pieces)
	for _, c := range r.calls {
		n += len(cut(c.arguments))
	}
	return n
}

// reply decides: tools are called when they are offered and have not answered yet, each once.
func (w *Wall) reply(p prompt) reply {
	if calls := p.calls(); len(calls) > 0 {
		return reply{calls: calls, finish: "tool_calls"}
	}
	r := reply{finish: "stop"}
	switch {
	case p.schema != nil:
		r.pieces = cut(instance(p.schema))
	case p.anyJSON:
		r.pieces = cut(`{"answer":` + string(appendJSON(nil, w.say(p))) + `}`)
	default:
		r.pieces = words(w.say(p))
	}
	if text, stopped := before(r.text(), p.stops); stopped {
		r.pieces = words(text)
	}
	if len(r.pieces) == 0 {
		r.pieces = []string{""} // a stream says at least one thing
	}
	if p.limit > 0 && len(r.pieces) > p.limit {
		r.pieces, r.finish = r.pieces[:p.limit], "length"
	}
	return r
}

func (p prompt) calls() []call {
	if p.choice.mode == "none" || len(p.results) > 0 {
		return nil
	}
	var calls []call
	for _, t := range p.tools {
		if p.choice.name != "" && p.choice.name != t.name {
			continue
		}
		calls = append(calls, call{name: t.name, arguments: instance(t.parameters)})
		if p.single {
			break
		}
	}
	return calls
}

// say is the text of an answer: a sentence that shows what arrived.
func (w *Wall) say(p prompt) string {
	if w.answer != "" {
		return w.answer
	}
	text := p.text
	if len(text) > maxEcho {
		text = strings.ToValidUTF8(text[:maxEcho], "")
	}
	said := "You said: " + text
	if len(p.results) > 0 {
		said += " The tools said: " + strings.Join(p.results, "; ")
	}
	switch {
	case p.images == 1:
		said += " I see 1 image."
	case p.images > 1:
		said += " I see " + itoa(p.images) + " images."
	}
	return said
}

// before cuts text at the first of the stops.
func before(text string, stops []string) (string, bool) {
	end := len(text)
	for _, stop := range stops {
		if i := strings.Index(text, stop); i >= 0 && i < end {
			end = i
		}
	}
	return text[:end], end < len(text)
}

// words cuts text before each space, as tokens are.
func words(text string) []string {
	var pieces []string
	for len(text) > 0 {
		end := strings.IndexByte(text[1:], ' ') + 1
		if end == 0 {
			end = len(text)
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	return pieces
}

// cut cuts JSON text into pieces that are no JSON by themselves.
func cut(text string) []string {
	const size = 7 // bytes: odd, so that names and numbers are torn apart
	var pieces []string
	for len(text) > size {
		end := size
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end++
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	if text != "" {
		pieces = append(pieces, text)
	}
	return pieces
}

// tokens is a guess at the length of a text, in tokens, as everybody makes it.
func tokens(bytes int) int { return (bytes + 3) / 4 }

// usage is openai-go's CompletionUsage: counts of chat and text completions.
type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		Cached int `json:"cached_tokens"`
		Audio  int `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
		Audio     int `json:"audio_tokens"`
		Accepted  int `json:"accepted_prediction_tokens"`
		Rejected  int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
}

func used(prompt, completion int) usage {
	return usage{PromptTokens: prompt, CompletionTokens: completion, TotalTokens: prompt + completion}
}

// stops reads a field that is a string or a list of them.
func (x *exchange) stops() ([]string, *refusal) {
	if !x.has("stop") {
		return nil, nil
	}
	if x.fields["stop"][0] == '"' {
		return []string{x.text("stop")}, nil
	}
	var many []string
	if err := json.Unmarshal(x.fields["stop"], &many); err != nil {
		return nil, wrongType("stop", "a string or an array of strings")
	}
	return many, nil
}

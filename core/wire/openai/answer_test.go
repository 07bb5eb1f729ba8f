package openai_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// answer is what a client has once it has put its chunks together: the lanes
// of all choices, each by a name such as "0/content" or "0/call 1/arguments".
// Roles, ids and finishes are lanes too: one that came twice would show.
type answer map[string]string

// chat is a chunk as a client decodes it.
type chat struct {
	ID          *string     `json:"id"`
	Created     *int64      `json:"created"`
	Model       *string     `json:"model"`
	Fingerprint *string     `json:"system_fingerprint"`
	Tier        *string     `json:"service_tier"`
	Choices     []chatPiece `json:"choices"`
}

type chatPiece struct {
	Index  int64   `json:"index"`
	Text   string  `json:"text"`
	Finish *string `json:"finish_reason"`
	Delta  struct {
		Role             string `json:"role"`
		Content          string `json:"content"`
		ReasoningContent string `json:"reasoning_content"`
		Reasoning        string `json:"reasoning"`
		Refusal          string `json:"refusal"`
		ToolCalls        []struct {
			Index    int64  `json:"index"`
			ID       string `json:"id"`
			Type     string `json:"type"`
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	} `json:"delta"`
}

// add puts a chunk to the answer.
func (a answer) add(data []byte) (chat, error) {
	var c chat
	if err := json.Unmarshal(data, &c); err != nil {
		return c, err
	}
	for _, p := range c.Choices {
		grow := func(name, text string) {
			if text != "" {
				a[fmt.Sprintf("%d/%s", p.Index, name)] += text
			}
		}
		grow("text", p.Text)
		grow("role", p.Delta.Role)
		grow("content", p.Delta.Content)
		grow("reasoning_content", p.Delta.ReasoningContent)
		grow("reasoning", p.Delta.Reasoning)
		grow("refusal", p.Delta.Refusal)
		for _, call := range p.Delta.ToolCalls {
			name := fmt.Sprintf("call %d/", call.Index)
			grow(name+"id", call.ID)
			grow(name+"type", call.Type)
			grow(name+"name", call.Function.Name)
			grow(name+"arguments", call.Function.Arguments)
		}
		if p.Finish != nil {
			grow("finish", *p.Finish)
		}
	}
	return c, nil
}

// events cuts a stream into its events; their bytes are their own.
func events(t testing.TB, stream string) []sse.Event {
	t.Helper()
	var s sse.Splitter
	var e sse.Event
	var all []sse.Event
	s.Feed([]byte(stream))
	for s.Next(&e) {
		all = append(all, sse.Event{Raw: slices.Clone(e.Raw), Type: slices.Clone(e.Type), Data: slices.Clone(e.Data)})
	}
	if s.Flush(&e) {
		t.Fatalf("half an event at the end of %q", stream)
	}
	return all
}

// head is what all chunks of a stream have in common.
type head struct {
	id, model, fingerprint string
	created                int64
}

// strand is a string of an answer that comes in pieces, or a tool call.
type strand struct {
	choice int
	key    string
	call   int    // its index, where name is set
	name   string // of the tool, until it was sent
	isCall bool
	rest   string
}

var words = []string{"a", "the", " ", "\n", "größe", "日本", "😀", "👩‍👩‍👧", "\"", "\\", `\u00e4`, "\t", "<b>", `{"a":`, "1}", "\u2028", "\ufffd", "\x00", "data: [DONE]"}

func randomText(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

// randomAnswer makes an answer of up to 3 choices.
func randomAnswer(r *rand.Rand, endpoint sdk.Endpoint) [][]strand {
	all := make([][]strand, 1+r.IntN(3))
	for i := range all {
		add := func(key string, most int) {
			if text := randomText(r, most); text != "" {
				all[i] = append(all[i], strand{choice: i, key: key, rest: text})
			}
		}
		if endpoint == sdk.Completions {
			add("text", 20)
			continue
		}
		add("content", 20)
		if r.IntN(2) == 0 {
			add([]string{"reasoning_content", "reasoning"}[r.IntN(2)], 12)
		}
		if r.IntN(8) == 0 {
			add("refusal", 6)
		}
		for n := range r.IntN(4) {
			all[i] = append(all[i], strand{choice: i, isCall: true, call: n, name: "f" + strconv.Itoa(r.IntN(9)), rest: randomText(r, 10)})
		}
	}
	return all
}

// whole is the answer as a client has it at the end: ids are those of a stream.
func whole(all [][]strand, h head, endpoint sdk.Endpoint) answer {
	a := answer{}
	for i, choice := range all {
		a[fmt.Sprintf("%d/finish", i)] = "stop"
		if endpoint == sdk.Chat {
			a[fmt.Sprintf("%d/role", i)] = "assistant"
		}
		for _, s := range choice {
			if !s.isCall {
				a[fmt.Sprintf("%d/%s", i, s.key)] = s.rest
				continue
			}
			call := fmt.Sprintf("%d/call %d/", i, s.call)
			a[call+"id"] = callID(h, i, s.call)
			a[call+"type"], a[call+"name"] = "function", s.name
			if s.rest != "" {
				a[call+"arguments"] = s.rest
			}
		}
	}
	return a
}

func callID(h head, choice, call int) string { return fmt.Sprintf("call_%s_%d_%d", h.id, choice, call) }

// randomStream sends an answer in one of the ways that it may come: choices and
// strings interleaved, several of them in one chunk, cut between any two
// characters and escaped in any way.
func randomStream(t testing.TB, r *rand.Rand, endpoint sdk.Endpoint, all [][]strand, h head) []sse.Event {
	var stream strings.Builder
	send := func(choices []string, more string) {
		space := []string{"", " ", "\ndata: "}[r.IntN(3)]
		if r.IntN(8) == 0 {
			stream.WriteString(": ping\n\n")
		}
		fmt.Fprintf(&stream, `data: {%s"id":%q,"object":"x","created":%d,"model":%q,"system_fingerprint":%q,"choices":[%s]%s}`+"\n\n",
			space, h.id, h.created, h.model, h.fingerprint, strings.Join(choices, ","+space), more)
	}
	open := make([][]strand, len(all))
	left := len(all)
	roles := make([]bool, len(all))
	ended := make([]bool, len(all))
	for i := range all {
		open[i] = slices.Clone(all[i])
	}
	for left > 0 {
		var choices []string
		for i := range open {
			if ended[i] || r.IntN(2) == 0 {
				continue
			}
			var fields, calls []string
			if !roles[i] && endpoint == sdk.Chat {
				roles[i] = true
				fields = append(fields, `"role":"assistant"`)
				if !slices.ContainsFunc(all[i], func(s strand) bool { return s.key == "refusal" }) {
					fields = append(fields, `"refusal":null`)
				}
			}
			for n := 0; n < len(open[i]); n++ {
				if s := &open[i][n]; r.IntN(3) == 0 {
					if field := randomPiece(r, s, h); s.isCall {
						calls = append(calls, field)
					} else {
						fields = append(fields, field)
					}
					if s.rest == "" {
						open[i] = slices.Delete(open[i], n, n+1)
						n--
					}
				}
			}
			if calls != nil {
				fields = append(fields, `"tool_calls":[`+strings.Join(calls, ", ")+`]`)
			}
			choice := fmt.Sprintf(`{"index":%d,"delta":{%s}`, i, strings.Join(fields, ", "))
			if endpoint == sdk.Completions {
				choice = fmt.Sprintf(`{"index":%d,%s`, i, strings.Join(append(fields, `"logprobs":null`), ","))
			}
			switch {
			case len(open[i]) == 0 && r.IntN(2) == 0:
				choice += `,"finish_reason":"stop"`
				ended[i] = true
				left--
			case r.IntN(2) == 0:
				choice += `,"finish_reason":null`
			}
			choices = append(choices, choice+"}")
		}
		if choices != nil || r.IntN(4) == 0 {
			send(choices, "")
		}
	}
	send(nil, `,"usage":{"prompt_tokens":3,"completion_tokens":4}`)
	stream.WriteString("data: [DONE]\n\n")
	return events(t, stream.String())
}

// randomPiece takes a piece off a strand and returns it as a field, or as an
// entry of tool_calls.
func randomPiece(r *rand.Rand, s *strand, h head) string {
	n := 0
	for n < len(s.rest) && r.IntN(5) > 0 {
		_, size := utf8.DecodeRuneInString(s.rest[n:])
		n += size
	}
	text := randomQuote(r, s.rest[:n])
	s.rest = s.rest[n:]
	if !s.isCall {
		return fmt.Sprintf(`%q:%s`, s.key, text)
	}
	if s.name == "" {
		return fmt.Sprintf(`{"index":%d,"function":{"arguments":%s}}`, s.call, text)
	}
	name := s.name
	s.name = ""
	return fmt.Sprintf(`{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":%s}}`,
		s.call, callID(h, s.choice, s.call), name, text)
}

// randomQuote quotes a text with more or fewer escapes.
func randomQuote(r *rand.Rand, text string) string {
	few := r.IntN(2) == 0
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c < ' ', c == '"', c == '\\', r.IntN(3) == 0 && !few:
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

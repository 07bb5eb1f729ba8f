package wall

import (
	"strconv"
	"time"
)

// chunks writes https://developers.openai.com/api/reference/resources/chat/subresources/completions/streaming-events.
// Everything but the delta is the same in all of them, and made once.
type chunks struct {
	x       *exchange
	head    string // up to the choices
	usage   string // ,"usage":null where a usage chunk is to come
	started bool
	echo    []byte
}

var done = []byte("data: [DONE]\n\n")

func (x *exchange) streamChat(q *chatRequest, r reply) {
	head := append(appendJSON([]byte(`data: {"id":`), x.id("chatcmpl-")), `,"object":"chat.completion.chunk","created":`...)
	head = append(strconv.AppendInt(head, time.Now().Unix(), 10), `,"model":`...)
	head = append(appendJSON(head, x.model), `,"service_tier":"default","system_fingerprint":"fp_wall","choices":[`...)
	s := &chunks{x: x, head: string(head)}
	if q.usage {
		s.usage = `,"usage":null`
	}
	if echo := x.echo(chatFields); echo != nil {
		s.echo = append([]byte(`,"x_echo":`), encode(echo)...)
	}
	x.open()
	if isAzure(x.request) && !x.event(filterResults) {
		return
	}
	for i := range q.n {
		content := `""`
		if len(r.calls) > 0 {
			content = "null"
		}
		if !s.delta(i, `{"role":"assistant","content":`+content+`,"refusal":null}`, nil, "") {
			return
		}
	}
	if !s.text(q, r) || !s.calls(q, r) {
		return
	}
	for i := range q.n {
		// A cut must come before the stream looks finished.
		if i == q.n-1 && x.cut != nil && !x.strikeNow() {
			return
		}
		if !s.delta(i, "{}", nil, r.finish) {
			return
		}
	}
	if q.usage {
		frame := append(append(x.buf[:0], s.head...), `],"usage":`...)
		frame = append(frame, encode(used(tokens(q.size), q.n*r.tokens()))...)
		if !x.event(append(frame, "}\n\n"...)) {
			return
		}
	}
	x.last(done)
}

// text sends the words, each choice in turn.
func (s *chunks) text(q *chatRequest, r reply) bool {
	var delta []byte
	for _, piece := range r.pieces {
		delta = append(appendJSON(append(delta[:0], `{"content":`...), piece), '}')
		var probable *logprobs
		if q.logprobs {
			probable = &logprobs{Content: []tokenLogprob{likely(piece, q.top)}}
		}
		for i := range q.n {
			if !s.delta(i, string(delta), probable, "") {
				return false
			}
		}
	}
	return true
}

// calls sends each call as its head and then its arguments in pieces.
func (s *chunks) calls(q *chatRequest, r reply) bool {
	for index, wanted := range r.calls {
		for i := range q.n {
			head := s.x.chatCall(wanted)
			head.Index, head.Function.Arguments = &index, ""
			if !s.call(i, head) {
				return false
			}
			for _, piece := range cut(wanted.arguments) {
				part := chatCall{Index: &index}
				part.Function.Arguments = piece
				if !s.call(i, part) {
					return false
				}
			}
		}
	}
	return true
}

func (s *chunks) call(choice int, c chatCall) bool {
	return s.delta(choice, `{"tool_calls":[`+string(encode(c))+`]}`, nil, "")
}

func (s *chunks) delta(choice int, delta string, probable *logprobs, finish string) bool {
	b := append(append(s.x.buf[:0], s.head...), `{"index":`...)
	b = strconv.AppendInt(b, int64(choice), 10)
	b = append(append(append(b, `,"delta":`...), delta...), `,"logprobs":`...)
	if probable == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, encode(probable)...)
	}
	b = appendOrNull(append(b, `,"finish_reason":`...), finish)
	b = append(append(b, `}]`...), s.usage...)
	if !s.started {
		b, s.started = append(b, s.echo...), true
	}
	b = append(b, "}\n\n"...)
	s.x.buf = b
	return s.x.event(b)
}

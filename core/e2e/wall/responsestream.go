package wall

// responseEvent is any event of https://developers.openai.com/api/reference/resources/responses/streaming-events.
type responseEvent struct {
	Type      string      `json:"type"`
	Sequence  int         `json:"sequence_number"`
	Response  *response   `json:"response,omitempty"`
	ItemID    string      `json:"item_id,omitempty"`
	Output    *int        `json:"output_index,omitempty"`
	Content   *int        `json:"content_index,omitempty"`
	Item      *outputItem `json:"item,omitempty"`
	Part      *outputPart `json:"part,omitempty"`
	Delta     string      `json:"delta,omitempty"`
	Text      *string     `json:"text,omitempty"`
	Arguments *string     `json:"arguments,omitempty"`
	Logprobs  []string    `json:"logprobs,omitzero"`
}

// narrator numbers the events of a response.
type narrator struct {
	x        *exchange
	sequence int
}

func (n *narrator) frame(e responseEvent) []byte {
	e.Sequence = n.sequence
	n.sequence++
	return named(e.Type, e)
}

func (n *narrator) tell(e responseEvent) bool { return n.x.event(n.frame(e)) }

// streamResponse tells an answer in the order of the real API. There is no [DONE].
func (x *exchange) streamResponse(answer *response, said reply) {
	n := &narrator{x: x}
	x.open()
	if !n.tell(responseEvent{Type: "response.created", Response: answer}) || !n.tell(responseEvent{Type: "response.in_progress", Response: answer}) {
		return
	}
	items := x.output(said)
	for i, item := range items {
		var told bool
		if item.Type == "message" {
			told = n.message(i, item, said)
		} else {
			told = n.call(i, item)
		}
		if !told {
			return
		}
	}
	answer.Output = items
	answer.end(said, tokens(len(x.fields["input"])))
	x.keep(answer)
	x.last(n.frame(responseEvent{Type: "response." + answer.Status, Response: answer}))
}

func (n *narrator) message(index int, item outputItem, said reply) bool {
	first, text, whole := 0, said.text(), part(said.text())
	begun, nothing := item, part("")
	begun.Status, begun.Content = "in_progress", []outputPart{}
	if !n.tell(responseEvent{Type: "response.output_item.added", Output: &index, Item: &begun}) ||
		!n.tell(responseEvent{Type: "response.content_part.added", ItemID: item.ID, Output: &index, Content: &first, Part: &nothing}) {
		return false
	}
	for _, piece := range said.pieces {
		if !n.tell(responseEvent{Type: "response.output_text.delta", ItemID: item.ID, Output: &index, Content: &first, Delta: piece, Logprobs: []string{}}) {
			return false
		}
	}
	return n.tell(responseEvent{Type: "response.output_text.done", ItemID: item.ID, Output: &index, Content: &first, Text: &text, Logprobs: []string{}}) &&
		n.tell(responseEvent{Type: "response.content_part.done", ItemID: item.ID, Output: &index, Content: &first, Part: &whole}) &&
		n.tell(responseEvent{Type: "response.output_item.done", Output: &index, Item: &item})
}

func (n *narrator) call(index int, item outputItem) bool {
	begun, nothing := item, ""
	begun.Status, begun.Arguments = "in_progress", &nothing
	if !n.tell(responseEvent{Type: "response.output_item.added", Output: &index, Item: &begun}) {
		return false
	}
	for _, piece := range cut(*item.Arguments) {
		if !n.tell(responseEvent{Type: "response.function_call_arguments.delta", ItemID: item.ID, Output: &index, Delta: piece}) {
			return false
		}
	}
	return n.tell(responseEvent{Type: "response.function_call_arguments.done", ItemID: item.ID, Output: &index, Arguments: item.Arguments}) &&
		n.tell(responseEvent{Type: "response.output_item.done", Output: &index, Item: &item})
}

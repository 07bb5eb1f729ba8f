package wall

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// maxStored is how many responses a wall keeps to be asked for again.
const maxStored = 1024

// stored keeps responses by their id.
type stored struct {
	mu    sync.Mutex
	byID  map[string]kept
	order []string
}

// kept is a response and what it was asked with, as they were.
type kept struct{ text, input json.RawMessage }

func (s *stored) put(id string, k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]kept{}
	}
	if len(s.order) == maxStored {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
	s.byID[id], s.order = k, append(s.order, id)
}

func (s *stored) get(id string) (kept, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.byID[id]
	return k, ok
}

func (s *stored) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

func (x *exchange) keep(answer *response) {
	if answer.Store {
		x.wall.stored.put(answer.ID, kept{encode(answer), x.fields["input"]})
	}
}

// storedResponse is what can be done with a response by its id.
func (x *exchange) storedResponse() {
	id, what, _ := strings.Cut(strings.TrimPrefix(x.request.URL.Path, "/v1/responses/"), "/")
	k, ok := x.wall.stored.get(id)
	if !ok {
		x.refuse(&refusal{status: http.StatusNotFound, kind: invalid, message: "Response with id '" + id + "' not found."})
		return
	}
	switch x.request.Method + " " + what {
	case "GET ":
		if x.request.URL.Query().Get("stream") == "true" {
			x.replay(k)
			return
		}
		x.whole(http.StatusOK, "application/json", k.text)
	case "DELETE ":
		x.wall.stored.remove(id)
		x.json(map[string]any{"id": id, "object": "response", "deleted": true})
	case "POST cancel":
		var answer response
		if json.Unmarshal(k.text, &answer) != nil || !answer.Background {
			x.refuse(bad("", "", "Cannot cancel a synchronous response."))
			return
		}
		x.whole(http.StatusOK, "application/json", k.text) // a wall has always finished
	case "GET input_items":
		x.inputItems(k)
	default:
		x.refuse(wrongMethod(x.request))
	}
}

// replay tells a response that is over: its beginning and its end.
func (x *exchange) replay(k kept) {
	var answer response
	if err := json.Unmarshal(k.text, &answer); err != nil {
		panic("wall: " + err.Error()) // it wrote that itself
	}
	n := &narrator{x: x}
	x.open()
	if n.tell(responseEvent{Type: "response.created", Response: &answer}) {
		x.last(n.frame(responseEvent{Type: "response." + answer.Status, Response: &answer}))
	}
}

// inputItems lists what a response was asked with, always as one page.
func (x *exchange) inputItems(k kept) {
	var items []any
	if json.Unmarshal(k.input, &items) != nil {
		items = []any{map[string]any{
			"id": x.id("msg_"), "type": "message", "role": "user", "status": "completed",
			"content": []any{map[string]any{"type": "input_text", "text": k.input}},
		}}
	}
	x.json(map[string]any{"object": "list", "data": items, "first_id": nil, "last_id": nil, "has_more": false})
}

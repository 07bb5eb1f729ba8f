package server

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// model is OpenAI's model object, and what the router knows beside it.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`

	ContextTokens int64    `json:"context_length,omitempty"`
	Channels      []string `json:"channels"`
	Tags          []string `json:"tags,omitempty"`
}

type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

// models lists what clients may ask for, over all channels.
func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	v := s.state.Load().Board.View()
	list := modelList{Object: "list", Data: make([]model, 0, len(v.Names()))}
	for _, name := range v.Names() {
		list.Data = append(list.Data, describe(v, name))
	}
	answer(w, http.StatusOK, list)
}

// model answers one; its id may hold slashes.
func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	v := s.state.Load().Board.View()
	id, err := url.PathUnescape(mux.Vars(r)["id"])
	if err != nil || v.Resolve(id, nil) == nil {
		fail(w, openai.NoModel(id))
		return
	}
	answer(w, http.StatusOK, describe(v, id))
}

func describe(v *board.View, name string) model {
	m := model{ID: name, Object: "model", OwnedBy: "smartrouter", Channels: []string{}}
	set := v.Resolve(name, nil)
	tags := make(map[string]bool)
	for _, t := range set.Members {
		if t.Fallback > 0 {
			continue
		}
		m.Channels = append(m.Channels, t.Channel.Config.Name)
		for _, tag := range t.Channel.Config.Tags {
			if !tags[tag] {
				tags[tag] = true
				m.Tags = append(m.Tags, tag)
			}
		}
		if c := v.Candidates[t.Ref]; c.ContextTokens > m.ContextTokens {
			m.ContextTokens = c.ContextTokens
		}
		for _, info := range t.Channel.Health().Models {
			if info.ID == t.Upstream {
				if m.Created == 0 {
					m.Created = info.Created
				}
				if info.OwnedBy != "" {
					m.OwnedBy = info.OwnedBy
				}
				break
			}
		}
	}
	return m
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, &wire.Error{Status: http.StatusInternalServerError, Type: "server_error", Message: "The router could not write its answer."})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

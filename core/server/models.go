package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/gemini"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// model is OpenAI's model object, and what the router knows beside it.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`

	ContextTokens int64    `json:"context_length,omitempty"`
	OutputTokens  int64    `json:"max_output_tokens,omitempty"`
	Channels      []string `json:"channels"`
	Tags          []string `json:"tags,omitempty"`
}

type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

// models lists what clients may ask for, over all channels.
func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	v := s.state.Load().Board.View()
	list := modelList{Object: "list", Data: make([]model, 0, len(v.Names()))}
	for _, name := range v.Names() {
		list.Data = append(list.Data, describe(v, name))
	}
	switch formatOf(r) {
	case anthropic.Format:
		answer(w, http.StatusOK, asClaudes(&list))
	case gemini.Format:
		answer(w, http.StatusOK, asGeminis(&list))
	default:
		answer(w, http.StatusOK, list)
	}
}

// model answers one; its id may hold slashes.
func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	v := s.state.Load().Board.View()
	id, err := url.PathUnescape(mux.Vars(r)["id"])
	if err != nil || v.Resolve(id, nil) == nil {
		failIn(formatOf(r), w, openai.NoModel(id))
		return
	}
	m := describe(v, id)
	switch formatOf(r) {
	case anthropic.Format:
		answer(w, http.StatusOK, asClaude(&m))
	case gemini.Format:
		answer(w, http.StatusOK, asGemini(&m))
	default:
		answer(w, http.StatusOK, m)
	}
}

// claude is Anthropic's model object: @anthropic-ai/sdk 1.12, resources/models.d.ts.
type claude struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
	InputTokens int64     `json:"max_input_tokens,omitempty"`
	MaxTokens   int64     `json:"max_tokens,omitempty"`
}

func asClaude(m *model) claude {
	return claude{
		Type: "model", ID: m.ID, DisplayName: m.ID, CreatedAt: time.Unix(m.Created, 0).UTC(),
		InputTokens: m.ContextTokens, MaxTokens: m.OutputTokens,
	}
}

// claudes is Anthropic's list, of which there is one page.
type claudes struct {
	Data    []claude `json:"data"`
	HasMore bool     `json:"has_more"`
	FirstID *string  `json:"first_id"`
	LastID  *string  `json:"last_id"`
}

func asClaudes(l *modelList) claudes {
	out := claudes{Data: make([]claude, len(l.Data))}
	for i := range l.Data {
		out.Data[i] = asClaude(&l.Data[i])
	}
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	return out
}

// geminiModel is Google's model object: https://ai.google.dev/api/models.
type geminiModel struct {
	Name         string   `json:"name"`
	BaseModelID  string   `json:"baseModelId"`
	Version      string   `json:"version"`
	DisplayName  string   `json:"displayName"`
	InputTokens  int64    `json:"inputTokenLimit,omitempty"`
	OutputTokens int64    `json:"outputTokenLimit,omitempty"`
	Methods      []string `json:"supportedGenerationMethods"`
}

func asGemini(m *model) geminiModel {
	return geminiModel{
		Name: "models/" + m.ID, BaseModelID: m.ID, Version: "001", DisplayName: m.ID, InputTokens: m.ContextTokens, OutputTokens: m.OutputTokens,
		Methods: []string{"generateContent", "countTokens"},
	}
}

// geminiModels is Google's list, of which there is one page.
type geminiModels struct {
	Models []geminiModel `json:"models"`
}

func asGeminis(l *modelList) geminiModels {
	out := geminiModels{Models: make([]geminiModel, len(l.Data))}
	for i := range l.Data {
		out.Models[i] = asGemini(&l.Data[i])
	}
	return out
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
				m.OutputTokens = max(m.OutputTokens, info.OutputTokens)
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

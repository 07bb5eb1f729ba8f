package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// BanRequest is what POST /admin/ban and /admin/unban take.
type BanRequest struct {
	Channel string `json:"channel"`
	// Model on the channel; empty: the channel.
	Model string `json:"model,omitempty"`
	// For is how long, such as "10m"; empty: until it is lifted. Only of a ban.
	For string `json:"for,omitempty"`
	// Reason for people. Only of a ban.
	Reason string `json:"reason,omitempty"`
}

// BanAnswer is what they answer.
type BanAnswer struct {
	// Ban that lasts now; nil after an unban.
	Ban *BanStatus `json:"ban,omitempty"`
	// Lifted is how many bans an unban ended.
	Lifted int `json:"lifted"`
	// Kept: the store has it, so that it outlives the router.
	Kept bool `json:"kept"`
}

const (
	// keptTimeout is how long an answer waits for the store.
	keptTimeout = 2 * time.Second
)

func (s *Server) ban(w http.ResponseWriter, r *http.Request) {
	q, werr := readBan(w, r)
	if werr != nil {
		fail(w, werr)
		return
	}
	var d time.Duration
	if q.For != "" {
		var err error
		if d, err = time.ParseDuration(q.For); err != nil || d <= 0 {
			fail(w, badBan("for", `for must be a duration above zero such as "10m", and is "`+q.For+`".`))
			return
		}
	}
	b := s.state.Load().Board
	ban, err := b.Ban(q.Channel, q.Model, d, q.Reason)
	if err != nil {
		fail(w, unknownBan(err))
		return
	}
	status := banStatus(q.Model, ban)
	answer(w, http.StatusOK, BanAnswer{Ban: &status, Kept: s.kept(r.Context(), b)})
}

func (s *Server) unban(w http.ResponseWriter, r *http.Request) {
	q, werr := readBan(w, r)
	if werr == nil && (q.For != "" || q.Reason != "") {
		werr = badBan("", "An unban has no for and no reason.")
	}
	if werr != nil {
		fail(w, werr)
		return
	}
	b := s.state.Load().Board
	lifted, err := b.Unban(q.Channel, q.Model)
	if err != nil {
		fail(w, unknownBan(err))
		return
	}
	answer(w, http.StatusOK, BanAnswer{Lifted: lifted, Kept: s.kept(r.Context(), b)})
}

// kept reports whether the store has what was just changed.
func (s *Server) kept(ctx context.Context, b *board.Board) bool {
	ctx, cancel := context.WithTimeout(ctx, keptTimeout)
	defer cancel()
	err := b.Kept(ctx)
	if err != nil {
		s.log.Warn("ban not kept", "err", err)
	}
	return err == nil
}

func readBan(w http.ResponseWriter, r *http.Request) (q BanRequest, werr *wire.Error) {
	if werr = readOrder(w, r, &q, `{"channel":"openai","model":"gpt-4o","for":"10m"}`); werr != nil {
		return q, werr
	}
	if q.Channel == "" {
		return q, badBan("channel", "Name a channel.")
	}
	return q, nil
}

func badBan(param, message string) *wire.Error {
	return &wire.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: param, Message: message}
}

func unknownBan(err error) *wire.Error {
	e := badBan("channel", "No ban: "+err.Error()+".")
	e.Status, e.Code = http.StatusNotFound, "unknown_channel"
	var unknown *board.ErrUnknown
	if errors.As(err, &unknown) && unknown.Model != "" {
		e.Param, e.Code = "model", "unknown_model"
	}
	return e
}

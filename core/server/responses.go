package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// keeper pins the responses of one request.
type keeper struct {
	pins   *Pins
	caller string
	ttl    time.Duration
}

// Keep is part of upstream.Keeper.
func (k *keeper) Keep(id string, t *board.Target) { k.pins.Keep(k.caller, id, t, k.ttl) }

// follow finds the name of the channel that made a caller's response, and says
// where the pin was. What is not there is told in OpenAI's words: clients then
// send the whole conversation anew.
func (s *State) follow(ctx context.Context, caller, id string) (channel, where string, _ *wire.Error) {
	c, _, where, err := s.maker(ctx, caller, id)
	if err != nil && err.Status == http.StatusNotFound {
		err.Status, err.Code, err.Param = http.StatusBadRequest, "previous_response_not_found", "previous_response_id"
		err.Message = "Previous r" + strings.TrimPrefix(err.Message, "R")
	}
	if err != nil {
		return "", where, err
	}
	return c.Config.Name, where, nil
}

// maker is the channel that made a caller's response. The error is a 404 where
// there is none, and a 503 where that is not known.
func (s *State) maker(ctx context.Context, caller, id string) (*board.Channel, *Pin, string, *wire.Error) {
	pin, where, err := s.Pins.Find(ctx, caller, id)
	if err != nil {
		e := openai.Fault(http.StatusServiceUnavailable, "The router's store does not say which channel made the response. Try again in a moment.")
		e.Code = "store_unavailable"
		return nil, nil, where, e
	}
	gone := ""
	if pin != nil {
		if c := s.Pins.Channel(s.Board.View(), pin); c != nil {
			return c, pin, where, nil
		}
		gone = " The channel " + strconv.Quote(pin.Channel) + " that made it is no longer configured, or has another account."
	}
	return nil, nil, where, openai.Fault(http.StatusNotFound, "Response with id '"+id+"' not found."+gone)
}

// endpointResponse labels requests about a response in the metrics.
const endpointResponse sdk.Endpoint = "responses/id"

// response answers GET and DELETE of a response by its id, the cancelling of
// one, and its input items: by the channel that made it, and by no other.
func (s *Server) response(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	st := s.use()
	defer st.over()
	out, err := s.pass(st, w, r)
	if err != nil {
		fail(w, err)
		out.status = err.Status
	}
	s.finish(r.Context(), endpointResponse, start, &out)
}

func (s *Server) pass(st *stay, w http.ResponseWriter, r *http.Request) (out outcome, _ *wire.Error) {
	caller, werr := guardOf(st.State).caller(r)
	if werr != nil {
		return out, werr
	}
	raw := mux.Vars(r)["id"]
	id, err := url.PathUnescape(raw)
	if err != nil {
		id = raw // it is not known either
	}
	ctx := r.Context()
	c, pin, where, werr := st.maker(ctx, caller, id)
	s.metrics.found(where)
	if werr != nil {
		return out, werr
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/responses/"), "/")
	out.forward = st.Dispatcher.Pass(ctx, w, &upstream.Passage{
		Channel: c, Model: pin.Model, Endpoint: sdk.Responses, Method: r.Method,
		Path: strings.TrimSuffix(url.PathEscape(id)+"/"+rest, "/"), Query: r.URL.RawQuery, Header: r.Header,
		KeepAlive: st.Config.Server.KeepAlive, WriteTimeout: st.Config.Server.WriteTimeout, Committer: st,
	})
	f := &out.forward
	switch out.status = f.Status; {
	case f.Committed:
		if r.Method == http.MethodDelete && f.Status < 300 {
			st.Pins.Drop(caller, id)
		}
	case f.Err != nil:
		retryAfter(w.Header(), f.RetryAfter)
		return out, f.Err
	default:
		out.status = statusClientLeft
	}
	return out, nil
}

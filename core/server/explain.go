package server

import (
	"context"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Explanation is a dry run of one request.
type Explanation struct {
	Path     string            `json:"path"`
	Model    string            `json:"model"`
	Pipeline string            `json:"pipeline"`
	Steps    []pipeline.Report `json:"steps"`
	// Took is the cost of all steps together.
	Took time.Duration `json:"took"`
	// Verdict in words.
	Verdict string `json:"verdict"`
}

// Explain runs the request's pipeline without sending anything to a model.
func (st *State) Explain(ctx context.Context, urlPath string, header http.Header, body []byte) (*Explanation, *wire.Error) {
	e, ok := entryOf(urlPath, nil)
	if !ok {
		return nil, &wire.Error{
			Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "unknown_url",
			Message: "No pipeline serves the path " + urlPath + ".",
		}
	}
	req, werr := e.read(urlPath, nil, header, body)
	if werr != nil {
		return nil, werr
	}
	p := st.route(urlPath, req.Model)
	if p == nil {
		return nil, &wire.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
			Message: "No route takes the model " + req.Model + " at " + urlPath + ".",
		}
	}
	q := new(pipeline.Request)
	ask(q, st, e, urlPath, "", header, &req, body, time.Now())
	if req.Previous != "" {
		if q.Channel, _, werr = st.follow(ctx, "", req.Previous); werr != nil {
			return nil, werr
		}
	}
	v, steps := p.Explain(ctx, q)
	out := &Explanation{Path: urlPath, Model: req.Model, Pipeline: p.Name(), Steps: steps, Verdict: "forward"}
	for _, s := range steps {
		out.Took += s.Took
	}
	switch {
	case v.Reject != nil:
		out.Verdict = "reject: " + v.Reject.Message
	case v.Reply != nil:
		out.Verdict = "reply from cache"
	default:
		ahead := v.Walk
		if t, _, ok := ahead.Next(time.Now()); ok {
			out.Verdict = "forward to " + t.Name()
		} else {
			out.Verdict = "no target lets a request through now"
		}
	}
	return out, nil
}

// explain answers POST /admin/explain?path=/v1/chat/completions with a dry
// run of the request in its body.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	st := s.use()
	defer st.over()
	body, werr := readBody(w, r, st.Config.Server.MaxBody)
	if werr == nil {
		urlPath := r.URL.Query().Get("path")
		if urlPath == "" {
			urlPath = "/v1/chat/completions"
		}
		var out *Explanation
		if out, werr = st.Explain(r.Context(), urlPath, r.Header, body); werr == nil {
			answer(w, http.StatusOK, out)
			return
		}
	}
	fail(w, werr)
}

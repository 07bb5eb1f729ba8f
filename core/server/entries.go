package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/formats"
	"github.com/smart-ai-router/smartrouter/core/wire/gemini"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// entry is where clients of a format come in.
type entry struct {
	endpoint sdk.Endpoint
	format   *hub.Format
}

// endpoints of OpenAI's by path: every one takes a POST and goes through a
// pipeline.
var endpoints = map[string]sdk.Endpoint{
	"/v1/chat/completions":     sdk.Chat,
	"/v1/completions":          sdk.Completions,
	"/v1/embeddings":           sdk.Embeddings,
	"/v1/responses":            sdk.Responses,
	"/v1/images/generations":   sdk.ImageGeneration,
	"/v1/images/edits":         sdk.ImageEdit,
	"/v1/images/variations":    sdk.ImageVariation,
	"/v1/audio/speech":         sdk.Speech,
	"/v1/audio/transcriptions": sdk.Transcription,
	"/v1/audio/translations":   sdk.Translation,
	"/v1/moderations":          sdk.Moderations,
	"/v1/rerank":               sdk.Rerank,
}

// entries are those endpoints and the ones of other formats, by mux's pattern of
// the path.
var entries = func() map[string]entry {
	all := map[string]entry{
		"/v1/messages":              {sdk.Chat, anthropic.Format},
		"/v1/messages/count_tokens": {sdk.CountTokens, anthropic.Format},
	}
	for path, e := range endpoints {
		all[path] = entry{e, formats.Of(openai.Name, e)}
	}
	return all
}()

// entryOf is the entry of a path. Gemini's name the model and the method, behind
// a colon; without alt=sse a stream of its is one array.
func entryOf(path string, query url.Values) (e entry, ok bool) {
	if e, ok = entries[path]; ok {
		return e, true
	}
	if !strings.HasPrefix(path, "/v1beta/models/") && !strings.HasPrefix(path, "/v1/models/") {
		return e, false
	}
	_, method, ok := gemini.Locate(path)
	if !ok {
		return e, false
	}
	e.endpoint, e.format, ok = gemini.Called(method, query.Get("alt") == "sse")
	return e, ok
}

// gemini takes requests to what Gemini's paths name.
func (s *Server) gemini(w http.ResponseWriter, r *http.Request) {
	e, ok := entryOf(r.URL.Path, r.URL.Query())
	if !ok {
		notFound(w, r)
		return
	}
	s.infer(e).ServeHTTP(w, r)
}

// read finds what routing needs in a request.
func (e entry) read(path string, query url.Values, header http.Header, body []byte) (wire.Request, *wire.Error) {
	return e.facts(&hub.Ask{Endpoint: e.endpoint, Path: path, Query: query, Header: header, Body: body})
}

func (e entry) facts(a *hub.Ask) (wire.Request, *wire.Error) {
	req, err := e.format.In.Facts(a)
	if err == nil {
		return req, nil
	}
	var werr *wire.Error
	if !errors.As(err, &werr) {
		werr = &wire.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: err.Error()}
	}
	return req, werr
}

// fail answers an error in the client's format.
func (e entry) fail(w http.ResponseWriter, err *wire.Error) {
	failIn(e.format, w, err)
}

// formatOf is what a client speaks that asks for something else than an entry:
// Anthropic's say their version, or call below its path; Gemini's call below
// theirs, or have their key where only they have it.
func formatOf(r *http.Request) *hub.Format {
	switch path := r.URL.Path; {
	case r.Header.Get("Anthropic-Version") != "", strings.HasPrefix(path, "/v1/messages"):
		return anthropic.Format
	case strings.HasPrefix(path, "/v1beta/"), r.Header.Get(geminiKey) != "",
		r.Method == http.MethodPost && strings.HasPrefix(path, "/v1/models/"):
		return gemini.Format
	}
	return openai.Format
}

// geminiKey is the header that Gemini's clients have their key in.
const geminiKey = "X-Goog-Api-Key"

// tokens answers a question for the length of a prompt that no provider could
// be asked: by an estimate, and says so.
func (e entry) tokens(w http.ResponseWriter, r *wire.Request) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Warning"] = []string{`299 smartrouter "tokens: estimated by the router, the provider of this model does not count"`}
	w.Write(e.format.In.Tokens(nil, r.Tokens))
}

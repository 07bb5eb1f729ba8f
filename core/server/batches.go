package server

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// batchRoutes are OpenAI's Files and Batches endpoints, answered by the router
// itself: https://developers.openai.com/api/reference (files, batches).
func (s *Server) batchRoutes(r *mux.Router) {
	for _, route := range []struct {
		method, path string
		answer       func(w http.ResponseWriter, r *http.Request, owner string) error
	}{
		{http.MethodPost, "/v1/files", s.uploadFile},
		{http.MethodGet, "/v1/files", s.listFiles},
		{http.MethodGet, "/v1/files/{id}", s.showFile},
		{http.MethodDelete, "/v1/files/{id}", s.deleteFile},
		{http.MethodGet, "/v1/files/{id}/content", s.readFile},
		{http.MethodPost, "/v1/batches", s.createBatch},
		{http.MethodGet, "/v1/batches", s.listBatches},
		{http.MethodGet, "/v1/batches/{id}", s.showBatch},
		{http.MethodPost, "/v1/batches/{id}/cancel", s.cancelBatch},
	} {
		r.HandleFunc(route.path, func(w http.ResponseWriter, r *http.Request) {
			owner, werr := s.guard().caller(r)
			if werr != nil {
				fail(w, werr)
				return
			}
			if err := route.answer(w, r, owner); err != nil {
				s.failed(w, err)
			}
		}).Methods(route.method)
	}
}

// batchMethods are what a path of these takes, or else.
func batchMethods(path, or string) string {
	rest, file := strings.CutPrefix(path, "/v1/files")
	if !file {
		var ok bool
		if rest, ok = strings.CutPrefix(path, "/v1/batches"); !ok {
			return or
		}
	}
	switch {
	case rest == "":
		return "GET, POST"
	case strings.HasSuffix(rest, "/cancel"):
		return "POST"
	case file && !strings.HasSuffix(rest, "/content"):
		return "GET, DELETE"
	}
	return "GET"
}

// failed answers a mistake of the client's, or that something here went wrong,
// whose details are for the log.
func (s *Server) failed(w http.ResponseWriter, err error) {
	var werr *wire.Error
	if !errors.As(err, &werr) {
		s.log.Error("batch request failed", "err", err)
		werr = openai.Fault(http.StatusInternalServerError, "The router could not read or write its files.")
	}
	fail(w, werr)
}

// or makes a nil *wire.Error a nil error.
func or(e *wire.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// formSlack is what a form may hold beside its file, in bytes.
const formSlack = 1 << 20

func (s *Server) uploadFile(w http.ResponseWriter, r *http.Request, owner string) error {
	st := s.state.Load()
	cfg := &st.Config.Server
	start := time.Now()
	if !s.load.begin(start, cfg.MaxInFlight, 0) {
		return overloaded(w.Header())
	}
	defer s.load.end()
	most := st.Config.Batch.MaxFile + formSlack
	control := http.NewResponseController(w)
	// As long for each server.max_body of it as any other body may take.
	_ = control.SetReadDeadline(start.Add(cfg.BodyTimeout * time.Duration(1+most/cfg.MaxBody))) // net/http's own connections have one
	r.Body = http.MaxBytesReader(w, r.Body, most)
	form, err := r.MultipartReader()
	if err != nil {
		return badForm("", "The body must be a form (multipart/form-data) with file and purpose.")
	}
	u, err := s.batches.NewUpload()
	if err != nil {
		return err
	}
	defer u.Discard()
	f := upload{to: u}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = f.take(part)
		}
		if err != nil {
			return whyCut(err, most)
		}
	}
	_ = control.SetReadDeadline(time.Time{})
	ttl, werr := f.check()
	if werr != nil {
		return werr
	}
	kept, err := u.Keep(owner, f.name, ttl)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, kept)
	return nil
}

// upload is a form on its way in.
type upload struct {
	to       *batch.Upload
	name     string
	has      bool
	purpose  string
	anchor   string
	lifetime string // in seconds
}

// longestField of a form, in bytes.
const longestField = 256

func (f *upload) take(part *multipart.Part) error {
	field := map[string]*string{
		"purpose": &f.purpose, "expires_after[anchor]": &f.anchor, "expires_after[seconds]": &f.lifetime,
	}[part.FormName()]
	switch {
	case part.FormName() == "file":
		if f.has {
			return badForm("file", "The form has more than one file.")
		}
		if f.has, f.name = true, part.FileName(); f.name == "" {
			f.name = "file.jsonl"
		}
		return f.to.Read(part)
	case field != nil:
		text, err := io.ReadAll(io.LimitReader(part, longestField))
		*field = string(text)
		return err
	}
	return nil // fields that we do not know
}

// check answers how long the file is to be kept.
func (f *upload) check() (time.Duration, *wire.Error) {
	switch {
	case !f.has:
		return 0, badForm("file", "The form has no file.")
	case f.purpose == "":
		return 0, badForm("purpose", "The form has no purpose.")
	case f.purpose != batch.PurposeBatch:
		return 0, badForm("purpose", "The router keeps files for batches only: the purpose must be batch, and is "+strconv.Quote(f.purpose)+".")
	case f.anchor == "" && f.lifetime == "":
		return 0, nil
	}
	seconds, err := strconv.ParseInt(f.lifetime, 10, 64)
	if err != nil {
		return 0, badForm("expires_after", "expires_after.seconds must be a number.")
	}
	return expiry("expires_after", f.anchor, seconds)
}

// The bounds of expires_after, in seconds.
const shortestKeep, longestKeep = 3600, 2592000

func expiry(param, anchor string, seconds int64) (time.Duration, *wire.Error) {
	if anchor != "created_at" || seconds < shortestKeep || seconds > longestKeep {
		return 0, badForm(param, param+" needs the anchor created_at, and from 3600 to 2592000 seconds.")
	}
	return time.Duration(seconds) * time.Second, nil
}

func badForm(param, message string) *wire.Error {
	return &wire.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "invalid_value", Param: param, Message: message}
}

// whyCut tells why a body was not read to its end.
func whyCut(err error, most int64) error {
	var werr *wire.Error
	var over *http.MaxBytesError
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &werr):
		return werr
	case errors.As(err, &over):
		e := badForm("file", "The form is longer than "+size(most)+", the limit batch.max_file of the router and a little.")
		e.Status = http.StatusRequestEntityTooLarge
		return e
	case errors.As(err, &late) && late.Timeout():
		e := badForm("", "The request's body came too slowly.")
		e.Status, e.Code = http.StatusRequestTimeout, "request_timeout"
		return e
	}
	return badForm("", "The form is not well-formed, or ended early.")
}

func (s *Server) listFiles(w http.ResponseWriter, r *http.Request, owner string) error {
	q := r.URL.Query()
	const most = 10_000
	limit, werr := limitOf(q, most, most)
	if werr != nil {
		return werr
	}
	order := q.Get("order")
	if order != "" && order != "asc" && order != "desc" {
		return badForm("order", "order is asc or desc.")
	}
	page, werr := s.batches.Files(owner, q.Get("purpose"), q.Get("after"), limit, order == "asc")
	if werr == nil {
		answer(w, http.StatusOK, page)
	}
	return or(werr)
}

func limitOf(q url.Values, usual, most int) (int, *wire.Error) {
	text := q.Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badForm("limit", "limit goes from 1 to "+strconv.Itoa(most)+".")
	}
	return n, nil
}

func (s *Server) showFile(w http.ResponseWriter, r *http.Request, owner string) error {
	f, werr := s.batches.File(owner, mux.Vars(r)["id"])
	if werr == nil {
		answer(w, http.StatusOK, f)
	}
	return or(werr)
}

func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request, owner string) error {
	id := mux.Vars(r)["id"]
	if err := s.batches.DeleteFile(owner, id); err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "file", true})
	return nil
}

func (s *Server) readFile(w http.ResponseWriter, r *http.Request, owner string) error {
	content, f, err := s.batches.Content(owner, mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": f.Filename}); d != "" {
		h.Set("Content-Disposition", d)
	}
	timed := &timedWriter{w, http.NewResponseController(w), s.state.Load().Config.Server.WriteTimeout}
	http.ServeContent(timed, r, "", time.Unix(f.CreatedAt, 0), content)
	return nil
}

// timedWriter bounds each write, not the whole.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (t *timedWriter) Write(p []byte) (int, error) {
	_ = t.control.SetWriteDeadline(time.Now().Add(t.timeout)) // net/http's own connections have one
	return t.ResponseWriter.Write(p)
}

func (s *Server) createBatch(w http.ResponseWriter, r *http.Request, owner string) error {
	cfg := s.state.Load().Config
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(cfg.Server.BodyTimeout)) // net/http's own connections have one
	body, werr := readBody(w, r, maxOrder)
	if werr != nil {
		return werr
	}
	_ = control.SetReadDeadline(time.Time{})
	var q struct {
		Input    string             `json:"input_file_id"`
		Endpoint string             `json:"endpoint"`
		Window   string             `json:"completion_window"`
		Metadata map[string]*string `json:"metadata"`
		Output   *struct {
			Anchor  string `json:"anchor"`
			Seconds int64  `json:"seconds"`
		} `json:"output_expires_after"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return badForm(typed.Field, "The field "+typed.Field+" has the wrong type: it is a "+typed.Value+".")
		}
		return badForm("", "The body is no JSON object.")
	}
	switch _, served := endpoints[q.Endpoint]; {
	case q.Input == "":
		return badForm("input_file_id", "The input_file_id is missing.")
	case q.Endpoint == "":
		return badForm("endpoint", "The endpoint is missing.")
	case !served:
		return badForm("endpoint", "The router has no endpoint "+strconv.Quote(q.Endpoint)+". It has "+strings.Join(slices.Sorted(maps.Keys(endpoints)), ", ")+".")
	case q.Window == "":
		return badForm("completion_window", "The completion_window is missing; 24h is the usual one.")
	}
	order := batch.Order{Owner: owner, Endpoint: q.Endpoint, Input: q.Input, Window: q.Window, Header: lineHeader(r.Header, cfg)}
	for k, v := range q.Metadata {
		if v != nil {
			if order.Metadata == nil {
				order.Metadata = make(map[string]string)
			}
			order.Metadata[k] = *v
		}
	}
	if o := q.Output; o != nil {
		if order.OutputTTL, werr = expiry("output_expires_after", o.Anchor, o.Seconds); werr != nil {
			return werr
		}
	}
	made, err := s.batches.Create(order)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, made)
	return nil
}

// lineHeader is what of a batch's headers each of its lines is sent with: our
// own, and those that some step reads. No credential is among them.
func lineHeader(h http.Header, cfg *config.Config) http.Header {
	out := make(http.Header)
	keep := func(name string) {
		if v := h.Values(name); len(v) > 0 {
			out[http.CanonicalHeaderKey(name)] = slices.Clone(v)
		}
	}
	keep(regionHeader)
	keep("Openai-Beta")
	for _, p := range cfg.Pipelines {
		for _, step := range p.Steps {
			for _, name := range step.Headers {
				keep(name)
			}
		}
	}
	return out
}

func (s *Server) listBatches(w http.ResponseWriter, r *http.Request, owner string) error {
	q := r.URL.Query()
	limit, werr := limitOf(q, 20, 100)
	if werr != nil {
		return werr
	}
	page, werr := s.batches.List(owner, q.Get("after"), limit)
	if werr == nil {
		answer(w, http.StatusOK, page)
	}
	return or(werr)
}

func (s *Server) showBatch(w http.ResponseWriter, r *http.Request, owner string) error {
	b, werr := s.batches.Batch(owner, mux.Vars(r)["id"])
	if werr == nil {
		answer(w, http.StatusOK, b)
	}
	return or(werr)
}

func (s *Server) cancelBatch(w http.ResponseWriter, r *http.Request, owner string) error {
	b, err := s.batches.Cancel(owner, mux.Vars(r)["id"])
	if err == nil {
		answer(w, http.StatusOK, b)
	}
	return err
}

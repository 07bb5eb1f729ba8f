package wall

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxForm is how many bytes of a multipart body stay in memory; all, as tests send little.
const maxForm = 1 << 30

// exchange is one request and the answer to it.
type exchange struct {
	wall    *Wall
	writer  http.ResponseWriter
	control *http.ResponseController
	request *http.Request
	record  *Request
	conn    int64

	body   []byte
	fields map[string]json.RawMessage // of a JSON body
	form   *multipart.Form            // of a multipart body
	model  string
	stream bool

	cut      *armed // strikes in the middle of the answer
	endless  bool   // a stream that lacks its [DONE]
	status   int
	events   int
	wrote    time.Duration
	complete bool
	buf      []byte
}

// parse finds the fields of the body, and what is wrong with its form.
func (x *exchange) parse() *refusal {
	if isGemini(x.request) { // whose path says both
		_, rest, _ := strings.Cut(x.request.URL.Path, "/models/")
		model, method, _ := strings.Cut(rest, ":")
		defer func() { x.model, x.stream = model, method == "streamGenerateContent" }()
	}
	if len(x.body) == 0 {
		return nil
	}
	kind, params, _ := mime.ParseMediaType(x.request.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		if err := json.Unmarshal(x.body, &x.fields); err != nil {
			return notJSON()
		}
		x.model = x.text("model")
		x.stream = string(x.fields["stream"]) == "true"
		if isBedrock(x.request) {
			x.parseBedrock()
		}
	case "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(x.body), params["boundary"]).ReadForm(maxForm)
		if err != nil {
			return notMultipart()
		}
		x.form = form
		x.model = x.value("model")
		x.stream = x.value("stream") == "true"
	}
	// Of any other type the API reads nothing, and then misses the first field that it needs.
	return nil
}

// text is a string field of a JSON body; empty when it is missing or no string.
func (x *exchange) text(name string) string {
	raw := x.fields[name]
	// Most strings need no unescaping.
	if n := len(raw); n >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : n-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}

// has says whether a JSON field is there and not null.
func (x *exchange) has(name string) bool {
	raw := x.fields[name]
	return len(raw) > 0 && string(raw) != "null"
}

// value is a field of a multipart body.
func (x *exchange) value(name string) string {
	if x.form == nil || len(x.form.Value[name]) == 0 {
		return ""
	}
	return x.form.Value[name][0]
}

// prefilled says whether the last message is the assistant's.
func (x *exchange) prefilled() bool {
	var messages []struct {
		Role string `json:"role"`
	}
	// What is no list of messages is refused later.
	return json.Unmarshal(x.fields["messages"], &messages) == nil && len(messages) > 0 &&
		messages[len(messages)-1].Role == "assistant"
}

// decode reads a field into v; a field that is not there leaves v as it is.
func (x *exchange) decode(name, want string, v any) *refusal {
	if !x.has(name) {
		return nil
	}
	if err := json.Unmarshal(x.fields[name], v); err != nil {
		return wrongType(name, want)
	}
	return nil
}

// knows refuses a missing or unknown model.
func (x *exchange) knows() *refusal {
	switch {
	case x.model == "":
		return noModel()
	case !slices.Contains(x.wall.models, x.model):
		return unknownModel(x.model)
	}
	return nil
}

// echo is what the request held beside the known fields; nil when nothing.
func (x *exchange) echo(known map[string]bool) map[string]json.RawMessage {
	var unknown map[string]json.RawMessage
	for name, raw := range x.fields {
		if !known[name] {
			if unknown == nil {
				unknown = map[string]json.RawMessage{}
			}
			unknown[name] = raw
		}
	}
	if x.form != nil {
		for name, values := range x.form.Value {
			if !known[strings.TrimSuffix(name, "[]")] {
				if unknown == nil {
					unknown = map[string]json.RawMessage{}
				}
				unknown[name] = appendJSON(nil, values[0])
			}
		}
	}
	return unknown
}

func fields(names string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}

// id is a name that this wall gives once.
func (x *exchange) id(prefix string) string {
	return prefix + x.wall.name + strconv.FormatInt(x.wall.ids.Add(1), 10)
}

// json sends v whole.
func (x *exchange) json(v any) {
	x.whole(http.StatusOK, "application/json", encode(v))
}

// encode is for shapes of the wall's own, and for what was JSON when it came.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("wall: " + err.Error())
	}
	return text
}

// whole sends an answer that is no stream.
func (x *exchange) whole(status int, contentType string, body []byte) {
	h := x.writer.Header()
	h["Content-Type"] = []string{contentType}
	x.status = status
	if x.cut != nil {
		x.half(status, body)
		return
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.wrote = time.Since(x.record.Began)
	x.writer.WriteHeader(status)
	if _, err := x.writer.Write(body); err == nil {
		x.complete = true
	}
}

func (x *exchange) refuse(r *refusal) {
	for name, value := range r.header {
		x.writer.Header().Set(name, value)
	}
	body := r.bodyFor(x.request)
	if isBedrock(x.request) {
		body = r.bedrockBody(x.writer.Header()) // and a header
	}
	x.whole(r.status, "application/json", body)
}

// open sends the head of an event stream.
func (x *exchange) open() { x.openAs("text/event-stream; charset=utf-8") }

// openAs sends the head of a stream in another framing.
func (x *exchange) openAs(contentType string) {
	h := x.writer.Header()
	h["Content-Type"] = []string{contentType}
	h["Cache-Control"] = []string{"no-cache"}
	x.status = http.StatusOK
	x.writer.WriteHeader(http.StatusOK)
	_ = x.control.Flush() // an error shows itself at the first event
}

// event sends one event, frame and all, and says whether the stream goes on.
func (x *exchange) event(frame []byte) bool {
	if x.cut != nil && x.events >= x.cut.after && !x.strikeNow() {
		return false
	}
	if x.request.Context().Err() != nil {
		return false
	}
	x.wrote = time.Since(x.record.Began)
	if _, err := x.writer.Write(frame); err != nil {
		return false
	}
	if x.control.Flush() != nil {
		return false
	}
	x.events++
	return x.wall.pace == 0 || x.sleep(x.wall.pace)
}

// last sends the event that makes a stream complete. A cut that has not struck yet strikes before it.
func (x *exchange) last(frame []byte) {
	switch {
	case x.cut != nil && !x.strikeNow():
	case x.endless:
		x.complete = true
	default:
		x.complete = x.event(frame)
	}
}

// sleep waits, and says whether client and wall are still there.
func (x *exchange) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.request.Context().Done():
	case <-x.wall.closing:
	}
	return false
}

// wait keeps the connection open until the client leaves.
func (x *exchange) wait() {
	select {
	case <-x.request.Context().Done():
	case <-x.wall.closing:
	}
}

// appendJSON appends text as a JSON string.
func appendJSON(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return append(b, encode(text)...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

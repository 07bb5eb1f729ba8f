package wall_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

const question = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello wall"}]}`

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	reply, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, reply)
}

func read(t *testing.T, reply *http.Response) (int, string) {
	t.Helper()
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

// events returns the data of each event.
func events(stream string) []string {
	var all []string
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			all = append(all, strings.TrimSpace(data))
		}
	}
	return all
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key("sk-right"))
	for _, test := range []struct {
		name, method, path, key, kind, body string
		status                              int
		param, code                         any
	}{
		{name: "no key", path: "/chat/completions", body: question, status: 401},
		{name: "wrong key", path: "/chat/completions", key: "sk-wrong-key", body: question, status: 401, code: "invalid_api_key"},
		{name: "no such URL", path: "/nothing", key: "sk-right", body: "{}", status: 404},
		{name: "wrong method", method: "GET", path: "/chat/completions", key: "sk-right", status: 405, code: "method_not_supported"},
		{name: "not JSON", path: "/chat/completions", key: "sk-right", body: `{"model":`, status: 400},
		{name: "wrong content type", path: "/chat/completions", key: "sk-right", kind: "text/plain", body: question, status: 400},
		{name: "no model", path: "/chat/completions", key: "sk-right", body: `{"messages":[]}`, status: 400},
		{name: "unknown model", path: "/chat/completions", key: "sk-right", body: `{"model":"x"}`, status: 404, code: "model_not_found"},
		{name: "no messages", path: "/chat/completions", key: "sk-right", body: `{"model":"gpt-4o-mini"}`, status: 400, param: "messages", code: "missing_required_parameter"},
		{name: "empty messages", path: "/chat/completions", key: "sk-right", body: `{"model":"gpt-4o-mini","messages":[]}`, status: 400, param: "messages", code: "empty_array"},
		{name: "unknown role", path: "/chat/completions", key: "sk-right", body: `{"model":"gpt-4o-mini","messages":[{"role":"boss"}]}`, status: 400, param: "messages[0].role", code: "invalid_value"},
		{name: "orphan tool", path: "/chat/completions", key: "sk-right", body: `{"model":"gpt-4o-mini","messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}`, status: 400, param: "messages[0].role"},
		{name: "usage without stream", path: "/chat/completions", key: "sk-right", body: question[:len(question)-1] + `,"stream_options":{"include_usage":true}}`, status: 400, param: "stream_options"},
		{name: "JSON unsaid", path: "/chat/completions", key: "sk-right", body: question[:len(question)-1] + `,"response_format":{"type":"json_object"}}`, status: 400, param: "messages"},
		{name: "n of a wrong type", path: "/chat/completions", key: "sk-right", body: question[:len(question)-1] + `,"n":"2"}`, status: 400, param: "n", code: "invalid_type"},
		{name: "no such model", method: "GET", path: "/models/x", key: "sk-right", status: 404, param: "model", code: "model_not_found"},
		{name: "no input", path: "/embeddings", key: "sk-right", body: `{"model":"text-embedding-3-small"}`, status: 400, param: "input", code: "missing_required_parameter"},
		{name: "forgotten response", path: "/responses", key: "sk-right", body: `{"model":"gpt-4o-mini","input":"x","previous_response_id":"resp_0"}`, status: 400, param: "previous_response_id", code: "previous_response_not_found"},
		{name: "no form", path: "/audio/transcriptions", key: "sk-right", body: `{"model":"whisper-1"}`, status: 400},
		{name: "no documents", path: "/rerank", key: "sk-right", body: `{"model":"rerank-v3.5","query":"x"}`, status: 400, param: "documents", code: "missing_required_parameter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.method == "" {
				test.method = "POST"
			}
			if test.kind == "" {
				test.kind = "application/json"
			}
			r, err := http.NewRequest(test.method, w.URL()+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", test.kind)
			if test.key != "" {
				r.Header.Set("Authorization", "Bearer "+test.key)
			}
			reply, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			status, text := read(t, reply)
			var shape struct {
				Error struct {
					Message, Type string
					Param, Code   any
				}
			}
			if err := json.Unmarshal([]byte(text), &shape); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			e := shape.Error
			if status != test.status || e.Param != test.param || e.Code != test.code || e.Message == "" || e.Type == "" {
				t.Errorf("got %d %s, want %d param %v code %v", status, text, test.status, test.param, test.code)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	chat := question[:len(question)-1]
	tools := `,"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}},{"type":"function","function":{"name":"b"}}]`
	for _, test := range []struct {
		name, path, body string
		want             []string
		not              string
	}{
		{name: "text", path: "/chat/completions", body: question, want: []string{`"content":"You said: hello wall"`, `"finish_reason":"stop"`}, not: "x_echo"},
		{name: "unknown fields", path: "/chat/completions", body: chat + `,"x_far":{"a":[1,null]}}`, want: []string{`"x_echo":{"x_far":{"a":[1,null]}}`}},
		{name: "limit", path: "/chat/completions", body: chat + `,"max_completion_tokens":2}`, want: []string{`"content":"You said:"`, `"finish_reason":"length"`}},
		{name: "stop", path: "/chat/completions", body: chat + `,"stop":[" wall"]}`, want: []string{`"content":"You said: hello"`}},
		{name: "choices", path: "/chat/completions", body: chat + `,"n":2}`, want: []string{`"index":0`, `"index":1`}},
		{name: "logprobs", path: "/chat/completions", body: chat + `,"logprobs":true,"top_logprobs":2}`, want: []string{`"token":"You"`, `"top_logprobs":[{`}},
		{name: "both tools", path: "/chat/completions", body: chat + tools + "}", want: []string{`"content":null`, `"name":"a","arguments":"{\"city\":\"city\"}"`, `"name":"b","arguments":"{}"`, `"finish_reason":"tool_calls"`}},
		{name: "one tool", path: "/chat/completions", body: chat + tools + `,"parallel_tool_calls":false}`, want: []string{`"name":"a"`}, not: `"name":"b"`},
		{name: "chosen tool", path: "/chat/completions", body: chat + tools + `,"tool_choice":{"type":"function","function":{"name":"b"}}}`, want: []string{`"name":"b"`}, not: `"name":"a"`},
		{name: "no tool", path: "/chat/completions", body: chat + tools + `,"tool_choice":"none"}`, want: []string{"hello wall"}, not: "tool_calls"},
		{name: "tools answered", path: "/chat/completions", want: []string{"The tools said: 20 degrees"}, body: `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"weather"},
			{"role":"assistant","tool_calls":[{"id":"c1"}]},{"role":"tool","tool_call_id":"c1","content":"20 degrees"}]` + tools + "}"},
		{name: "images", path: "/chat/completions", want: []string{"what I see 2 images."}, body: `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":"what"},
			{"type":"image_url","image_url":{"url":"data:,a"}},{"type":"image_url","image_url":{"url":"data:,b"}}]}]}`},
		{name: "schema", path: "/chat/completions", body: chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"n":{"type":"integer"}}}}}}`, want: []string{`"content":"{\"n\":1}"`}},
		{name: "completion", path: "/completions", body: `{"model":"gpt-3.5-turbo-instruct","prompt":["a","b"]}`, want: []string{`"text":"You said: a","index":0`, `"text":"You said: b","index":1`}},
		{name: "embedding", path: "/embeddings", body: `{"model":"text-embedding-3-small","input":["a"],"dimensions":2,"x":1}`, want: []string{`"embedding":[`, `"x_echo":{"x":1}`}},
		{name: "embedding in base64", path: "/embeddings", body: `{"model":"text-embedding-3-small","input":[[1,2]],"dimensions":2,"encoding_format":"base64"}`, want: []string{`"embedding":"`}},
		{name: "moderation", path: "/moderations", body: `{"input":["kill it","pet it"]}`, want: []string{`"flagged":true`, `"flagged":false`}},
		{name: "rerank", path: "/rerank", body: `{"model":"rerank-v3.5","query":"red wall","documents":["blue sea",{"text":"a red wall"}],"top_n":1,"return_documents":true}`, want: []string{`"results":[{"index":1,"relevance_score":1,"document":{"text":"a red wall"}}]`}},
		{name: "image", path: "/images/generations", body: `{"model":"gpt-image-1","prompt":"a wall","n":2}`, want: []string{`"b64_json":"iVBOR`}},
		{name: "response", path: "/responses", body: `{"model":"gpt-4o-mini","input":"hi","x":1}`, want: []string{`"text":"You said: hi"`, `"status":"completed"`, `"x_echo":{"x":1}`}},
		{name: "incomplete response", path: "/responses", body: `{"model":"gpt-4o-mini","input":"hi","max_output_tokens":1}`, want: []string{`"status":"incomplete"`, `"reason":"max_output_tokens"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, text := post(t, w.URL()+test.path, test.body)
			if status != 200 || !json.Valid([]byte(text)) {
				t.Fatalf("%d %s", status, text)
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			if test.not != "" && strings.Contains(text, test.not) {
				t.Errorf("%s in %s", test.not, text)
			}
		})
	}
}

func TestChatStream(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	_, text := post(t, w.URL()+"/chat/completions", question[:len(question)-1]+`,"stream":true,"stream_options":{"include_usage":true},"n":2,"x":1}`)
	all := events(text)
	type chunk struct {
		Choices []struct {
			Index        int
			Delta        struct{ Role, Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage *struct {
			Completion int `json:"completion_tokens"`
		}
		Echo json.RawMessage `json:"x_echo"`
	}
	said, finished := [2]string{}, 0
	for i, data := range all[:len(all)-1] {
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if last := i == len(all)-2; last != (c.Usage != nil) || last != (len(c.Choices) == 0) {
			t.Errorf("event %d: usage %v, choices %v", i, c.Usage, c.Choices)
		}
		if (i == 0) != (c.Echo != nil) {
			t.Errorf("event %d: echo %s", i, c.Echo)
		}
		for _, choice := range c.Choices {
			said[choice.Index] += choice.Delta.Content
			if choice.FinishReason == "stop" {
				finished++
			}
		}
	}
	if said[0] != "You said: hello wall" || said[1] != said[0] || finished != 2 || all[len(all)-1] != "[DONE]" {
		t.Errorf("%q, %d finished, last %s", said, finished, all[len(all)-1])
	}
}

func TestResponseStream(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	_, text := post(t, w.URL()+"/responses", `{"model":"gpt-4o-mini","input":"hi","stream":true}`)
	var types []string
	var id string
	for i, data := range events(text) {
		var e struct {
			Type     string
			Sequence int `json:"sequence_number"`
			Response struct{ ID string }
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Sequence != i {
			t.Fatalf("event %d: %v in %s", i, err, data)
		}
		types, id = append(types, e.Type), e.Response.ID
	}
	types = slices.Compact(types)
	want := []string{
		"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
		"response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
	}
	if !slices.Equal(types, want) {
		t.Errorf("got %v", types)
	}
	status, _ := post(t, w.URL()+"/responses", `{"model":"gpt-4o-mini","input":"and?","previous_response_id":"`+id+`"}`)
	if status != 200 {
		t.Errorf("the response before is not known: %d", status)
	}
}

func TestStoredResponses(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	respond := func(w *wall.Wall, more string) string {
		t.Helper()
		_, text := post(t, w.URL()+"/responses", `{"model":"gpt-4o-mini","input":"hi"`+more+`}`)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	plain, background, unstored := respond(w, ""), respond(w, `,"background":true`), respond(w, `,"store":false`)
	for _, tc := range []struct {
		method, path string
		status       int
		want         string
	}{
		{method: "GET", path: plain, status: 200, want: "You said: hi"},
		{method: "GET", path: plain + "?stream=true", status: 200, want: "event: response.completed"},
		{method: "GET", path: plain + "/input_items", status: 200, want: `"text":"hi"`},
		{method: "POST", path: plain + "/cancel", status: 400, want: "synchronous"},
		{method: "POST", path: background + "/cancel", status: 200, want: background},
		{method: "GET", path: unstored, status: 404, want: "Response with id '" + unstored + "' not found."},
		{method: "PUT", path: plain, status: 405, want: "Not allowed"},
		{method: "DELETE", path: plain, status: 200, want: `"deleted":true`},
		{method: "DELETE", path: plain, status: 404, want: "not found"},
	} {
		r, err := http.NewRequest(tc.method, w.URL()+"/responses/"+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if status, text := read(t, reply); status != tc.status || !strings.Contains(text, tc.want) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, status, text)
		}
	}
	if first := respond(wall.Start(t), ""); first == respond(wall.Start(t), "") {
		t.Errorf("two walls gave the id %s", first)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	form := func(path string, fields map[string]string, files ...string) string {
		t.Helper()
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		for name, value := range fields {
			if err := m.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range files {
			part, err := m.CreateFormFile(name, "thing.bin")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := part.Write([]byte{0, 1, 2, 255}); err != nil {
				t.Fatal(err)
			}
		}
		m.Close()
		reply, err := http.Post(w.URL()+path, m.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		_, text := read(t, reply)
		return text
	}
	text := form("/audio/transcriptions", map[string]string{"model": "whisper-1", "x_far": "near"}, "file")
	if !strings.Contains(text, "I hear 4 bytes of thing.bin.") || !strings.Contains(text, `"x_echo":{"x_far":"near"}`) {
		t.Error(text)
	}
	text = form("/images/edits", map[string]string{"model": "gpt-image-1", "prompt": "mend"}, "image[]", "image[]")
	if !strings.Contains(text, "mend (of 2 images)") {
		t.Error(text)
	}
	text = form("/images/variations", map[string]string{"model": "gpt-image-1", "n": "2"}, "image")
	if strings.Count(text, "a variation (of 1 images)") != 2 {
		t.Error(text)
	}
	text = form("/images/variations", map[string]string{"model": "gpt-image-1", "prompt": "mend"}, "image")
	if !strings.Contains(text, "Unknown parameter: 'prompt'") {
		t.Error(text)
	}
	text = form("/audio/transcriptions", map[string]string{"model": "whisper-1", "stream": "true"}, "file")
	if all := events(text); !strings.Contains(all[len(all)-1], "transcript.text.done") {
		t.Error(text)
	}
}

func TestStreamsWordByWord(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(wall.StallAfter(2)))
	reply, err := http.Post(w.URL()+"/chat/completions", "application/json", strings.NewReader(question[:len(question)-1]+`,"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	for _, want := range []string{`"content":""`, "", `"content":"You"`} {
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("got %q, want %s while the stream goes on", lines.Text(), want)
		}
	}
}

package batch

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"reflect"
	"strings"
	"testing"
)

func TestMistakesNameLineAndField(t *testing.T) {
	t.Parallel()
	const ok = `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}`
	other := strings.Replace(ok, `"a"`, `"b"`, 1)
	for _, test := range []struct {
		name, text string
		code       string
		line       int64
		param      string
	}{
		{name: "empty", text: "\n \n", code: "empty_file"},
		{name: "nothing", text: "", code: "empty_file"},
		{name: "no JSON", text: ok + "\n\nhello\n", code: "invalid_json_line", line: 3},
		{name: "torn", text: ok + "\n" + other[:40], code: "invalid_json_line", line: 2},
		{name: "a list", text: "[1]\n", code: "invalid_json_line", line: 1},
		{name: "no id", text: `{"method":"POST","url":"/v1/chat/completions","body":{}}`, code: "missing_required_parameter", line: 1, param: "custom_id"},
		{name: "a number as id", text: strings.Replace(ok, `"a"`, `7`, 1), code: "missing_required_parameter", line: 1, param: "custom_id"},
		{name: "long id", text: strings.Replace(ok, `"a"`, `"`+strings.Repeat("x", 513)+`"`, 1), code: "invalid_value", line: 1, param: "custom_id"},
		{name: "twice", text: ok + "\n" + ok, code: "duplicate_custom_id", line: 2, param: "custom_id"},
		{name: "no method", text: strings.Replace(ok, `"method":"POST",`, ``, 1), code: "missing_required_parameter", line: 1, param: "method"},
		{name: "GET", text: strings.Replace(ok, `POST`, `GET`, 1), code: "invalid_method", line: 1, param: "method"},
		{name: "no url", text: strings.Replace(ok, `"url"`, `"uri"`, 1), code: "missing_required_parameter", line: 1, param: "url"},
		{name: "another url", text: strings.Replace(ok, `chat/completions`, `embeddings`, 1), code: "url_mismatch", line: 1, param: "url"},
		{name: "no body", text: strings.Replace(ok, `"body"`, `"bodi"`, 1), code: "missing_required_parameter", line: 1, param: "body"},
		{name: "text as body", text: strings.Replace(ok, `{"model":"m"}`, `"m"`, 1), code: "invalid_value", line: 1, param: "body"},
		{name: "a stream", text: strings.Replace(ok, `"model":"m"`, `"model":"m","stream": true `, 1), code: "invalid_value", line: 1, param: "body.stream"},
		{name: "too long", text: ok + "\n" + strings.Replace(ok, `"m"`, `"`+strings.Repeat("m", 700)+`"`, 1) + "\n" + other, code: "line_too_long", line: 2},
		{name: "too many", text: ok + "\n" + other + "\n" + strings.Replace(ok, `"a"`, `"c"`, 1) + "\n" + strings.Replace(ok, `"a"`, `"d"`, 1), code: "too_many_tasks", line: 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found, mistakes, err := scan(strings.NewReader(test.text), limits{endpoint: chat, lines: 3, line: 650})
			if err != nil || found != nil || len(mistakes) != 1 {
				t.Fatalf("%v %+v %v", found, mistakes, err)
			}
			if m := mistakes[0]; m.Code != test.code || m.Line != test.line || m.Param != test.param || m.Message == "" {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestGoodLinesAreFoundWhereTheyStand(t *testing.T) {
	t.Parallel()
	text := "\n" + `{"custom_id":"a\u0062","method":"POST","url":"/v1/chat/completions","body":{"stream":false,"n":1}}` + "\r\n" +
		"  \n" + ` {"body":{"x":[1,{"stream":true}]},"url":"\/v1/chat/completions","method":"POST","custom_id":"é"} `
	found, mistakes, err := scan(strings.NewReader(text), limits{endpoint: chat, lines: 9, line: 650})
	if err != nil || mistakes != nil || len(found) != 2 {
		t.Fatalf("%v %+v %v", found, mistakes, err)
	}
	for i, want := range []line{
		{CustomID: "ab", Body: json.RawMessage(`{"stream":false,"n":1}`)}, {CustomID: "é", Body: json.RawMessage(`{"x":[1,{"stream":true}]}`)},
	} {
		got, err := readAt(strings.NewReader(text), found[i])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v %v", got, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(requests(3)))
	f.Add([]byte(`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"stream":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, mistakes, err := scan(bytes.NewReader(text), limits{endpoint: chat, lines: 5, line: 200})
		if err != nil || (len(found) == 0) == (len(mistakes) == 0) {
			t.Fatalf("%v %+v %v", found, mistakes, err)
		}
		for _, at := range found {
			l, err := readAt(bytes.NewReader(text), at)
			if err != nil || l.CustomID == "" || !json.Valid(l.Body) {
				t.Fatalf("%+v %v", l, err)
			}
			var out bytes.Buffer
			if err := json.Compact(&out, outputLine(l.CustomID, &Answer{Status: 200, Body: l.Body})); err != nil || bytes.IndexByte(out.Bytes(), '\n') >= 0 {
				t.Fatalf("%s %v", out.Bytes(), err)
			}
		}
	})
}

func TestBodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ contentType, body, want string }{
		{"application/json", " {\n\"a\": 1}\n", `{"a":1}`},
		{"text/plain; charset=utf-8", "two\nlines", `"two\nlines"`},
		{"audio/mpeg", "\xff\x00", `{"content_type":"audio/mpeg","base64":"/wA="}`},
		{"", "", `{"content_type":"","base64":""}`},
	} {
		if got := appendBody(nil, &Answer{ContentType: test.contentType, Body: []byte(test.body)}); string(got) != test.want {
			t.Errorf("%s: %s, want %s", test.contentType, got, test.want)
		}
	}
}

func TestFormHasFieldsAndFiles(t *testing.T) {
	t.Parallel()
	contentType, form, err := Form([]byte(`{"model":"whisper-1","file":"data:audio/wav;base64,AQID","temperature":0.5,"timestamp_granularities":["word","segment"],"prompt":null}`))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	got, err := multipart.NewReader(bytes.NewReader(form), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"model": {"whisper-1"}, "temperature": {"0.5"}, "timestamp_granularities[]": {"word", "segment"}}
	if !reflect.DeepEqual(got.Value, want) {
		t.Errorf("%v", got.Value)
	}
	file := got.File["file"]
	if len(file) != 1 || file[0].Size != 3 || file[0].Header.Get("Content-Type") != "audio/wav" || !strings.HasPrefix(file[0].Filename, "file") {
		t.Errorf("%+v", file)
	}
	if _, _, err := Form([]byte(`{"file":"data:audio/wav;base64,???"}`)); err == nil {
		t.Error("no base64, and no error")
	}
}

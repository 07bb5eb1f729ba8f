package openai_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const formType = `multipart/form-data; boundary=XX`

// form makes a body of parts, each a header and a value.
func form(parts ...[2]string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "--XX\r\n%s\r\n\r\n%s\r\n", p[0], p[1])
	}
	return b.String() + "--XX--\r\n"
}

func plain(name, value string) [2]string {
	return [2]string{`Content-Disposition: form-data; name="` + name + `"`, value}
}

var audio = [2]string{"Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg", "\x00\r\n--X\xff\r\n\r\n--"}

func TestReadForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint
		body     string
		want     wire.Request
		err      string
	}{
		{name: "transcription", endpoint: sdk.Transcription, body: form(audio, plain("model", "whisper-1"), plain("stream", "true"), plain("prompt", "12345")),
			want: wire.Request{Model: "whisper-1", Stream: true, N: 1, Tokens: 2}},
		{name: "image edit without a model", endpoint: sdk.ImageEdit, body: form([2]string{`content-disposition:form-data;name="image[]";filename=x`, ""}, plain("n", "2"), plain("user", "u")),
			want: wire.Request{N: 2, User: "u", Images: true}},
		{name: "fallbacks", endpoint: sdk.Transcription, body: form(plain("fallbacks[]", "a"), plain("model", "m"), plain("fallbacks[]", "b"), plain("fallbacks", `["c"]`)),
			want: wire.Request{Model: "m", N: 1, Fallbacks: []string{"a", "b", "c"}}},
		{name: "no last line end", endpoint: sdk.Transcription, body: strings.TrimSuffix(form(plain("model", "m")), "\r\n"), want: wire.Request{Model: "m", N: 1}},
		{name: "a file called model is no model", endpoint: sdk.Transcription, body: form([2]string{`Content-Disposition: form-data; name="model"; filename="m"`, "m"}), err: "model: must be one plain field of the form"},
		{name: "no model", endpoint: sdk.Transcription, body: form(audio), err: "model: you must say which model is to answer"},
		{name: "two models", endpoint: sdk.Transcription, body: form(plain("model", "a"), plain("model", "b")), err: "model: must be one plain field of the form"},
		{name: "empty model", endpoint: sdk.ImageEdit, body: form(plain("model", "")), err: "model: must not be empty"},
		{name: "stream of nonsense", endpoint: sdk.Transcription, body: form(plain("model", "m"), plain("stream", "maybe")), err: "stream: must be true or false"},
		{name: "broken fallbacks", endpoint: sdk.Transcription, body: form(plain("model", "m"), plain("fallbacks", "[1]")), err: "fallbacks: must be an array of model names"},
		{name: "preamble", endpoint: sdk.Transcription, body: "hello\r\n" + form(plain("model", "m")), err: "does not start with its boundary"},
		{name: "epilogue", endpoint: sdk.Transcription, body: form(plain("model", "m")) + "--XX", err: "more behind the last boundary"},
		{name: "not ended", endpoint: sdk.Transcription, body: strings.TrimSuffix(form(plain("model", "m")), "--\r\n"), err: "a boundary must be followed by a line end or --"},
		{name: "cut off", endpoint: sdk.Transcription, body: form(plain("model", "m"))[:60], err: "no boundary ends it"},
		{name: "cut off in a header", endpoint: sdk.Transcription, body: form(plain("model", "m"))[:20], err: "its header does not end"},
		{name: "LF only", endpoint: sdk.Transcription, body: strings.ReplaceAll(form(plain("model", "m")), "\r\n", "\n"), err: "a boundary must be followed by a line end or --"},
		{name: "blanks behind a boundary", endpoint: sdk.Transcription, body: strings.Replace(form(plain("model", "m")), "--XX\r\n", "--XX \r\n", 1), err: "a boundary must be followed by a line end or --"},
		{name: "boundary inside a part", endpoint: sdk.Transcription, body: form(plain("model", "m\r\n--XXtra")), err: "a boundary must be followed by a line end or --"},
		{name: "no line end before a boundary", endpoint: sdk.Transcription, body: "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n--XX--\r\n", err: "a line end must stand before the boundary"},
		{name: "no header", endpoint: sdk.Transcription, body: "--XX\r\n\r\nx\r\n\r\n--XX--\r\n", err: `bad header line ""`},
		{name: "no disposition", endpoint: sdk.Transcription, body: form([2]string{"X: y", "z"}), err: "no Content-Disposition header"},
		{name: "two dispositions", endpoint: sdk.Transcription, body: form([2]string{plain("a", "")[0] + "\r\n" + plain("model", "")[0], "m"}), err: "two Content-Disposition headers"},
		{name: "folded header", endpoint: sdk.Transcription, body: form([2]string{plain("model", "")[0] + "\r\n ;a: b", "m"}), err: "bad header line"},
		{name: "control character in a header", endpoint: sdk.Transcription, body: form([2]string{plain("model\b", "")[0], "m"}), err: "bad header line"},
		{name: "encoded name", endpoint: sdk.Transcription, body: form([2]string{`Content-Disposition: form-data; name*=utf-8''model`, "m"}), err: "an encoded name"},
		{name: "base64", endpoint: sdk.Transcription, body: form([2]string{plain("model", "")[0] + "\r\nContent-Transfer-Encoding: base64", "bQ=="}), err: `transfer encoding "base64"`},
		{name: "attachment", endpoint: sdk.Transcription, body: form([2]string{`Content-Disposition: attachment; name="model"`, "m"}), err: "want Content-Disposition: form-data"},
		{name: "no name", endpoint: sdk.Transcription, body: form([2]string{`Content-Disposition: form-data`, "m"}), err: "no name in Content-Disposition"},
		{name: "too many parts", endpoint: sdk.Transcription, body: form(make200()...), err: "more than 128 parts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ReadForm(tc.endpoint, formType, []byte(tc.body))
			if tc.err != "" {
				var e *wire.Error
				if !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Error(), tc.err) {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got.ModelAt.Of([]byte(tc.body))) != tc.want.Model {
				t.Errorf("the model's range holds %q", got.ModelAt.Of([]byte(tc.body)))
			}
			got.ModelAt = rawjson.Range{}
			tc.want.Endpoint = tc.endpoint
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func make200() [][2]string {
	parts := make([][2]string, 200)
	for i := range parts {
		parts[i] = plain(fmt.Sprint("f", i), "x")
	}
	return parts
}

func TestFormBoundary(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{
		"", "application/json", "multipart/form-data", `multipart/form-data; boundary=""`, `multipart/mixed; boundary=XX`,
		`multipart/form-data; boundary="` + strings.Repeat("x", 71) + `"`, `multipart/form-data; boundary="a "`, `multipart/form-data; boundary="a\"b"`, "multipart/form-data; boundary=\"a\r\nb\"",
	} {
		if r, err := openai.ReadForm(sdk.Transcription, contentType, []byte(form(plain("model", "m")))); err == nil {
			t.Errorf("%q is accepted: %+v", contentType, r)
		}
	}
	if _, err := openai.ReadForm(sdk.Transcription, `Multipart/Form-Data; charset=utf-8; boundary="XX"`, []byte(form(plain("model", "m")))); err != nil {
		t.Error(err)
	}
}

func TestSpliceForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body, want string
	}{
		{name: "another model", body: form(audio, plain("model", "a"), plain("x", "y")), want: form(audio, plain("model", "new-1"), plain("x", "y"))},
		{name: "fallbacks out", body: form(plain("fallbacks[]", "b"), audio, plain("fallbacks[]", "c"), plain("model", "a"), plain("fallbacks", "d")), want: form(audio, plain("model", "new-1"))},
		{name: "no model", body: form(audio), want: form(audio, plain("model", "new-1"))},
		{name: "no model, fallbacks last", body: strings.TrimSuffix(form(audio, plain("fallbacks", "b")), "\r\n"), want: strings.TrimSuffix(form(audio, plain("model", "new-1")), "\r\n")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.SpliceForm(nil, formType, []byte(tc.body), "new-1")
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
	for _, model := range []string{"x\r\n--XX--", "--XX--"} {
		if out, err := openai.SpliceForm(nil, formType, []byte(form(plain("model", "a"))), model); err == nil {
			t.Errorf("a model name breaks out of its part: %q", out)
		}
	}
}

// FuzzForm compares with mime/multipart: what we accept it must read the same
// way, before and after splicing.
func FuzzForm(f *testing.F) {
	f.Add([]byte(form(audio, plain("model", "m"), plain("stream", "false"), plain("fallbacks[]", "x"))), "XX", "other")
	f.Add([]byte(form(plain("model", ""), audio)), "XX", "")
	f.Add([]byte("--a--"), "a", "m")
	f.Fuzz(func(t *testing.T, body []byte, boundary, model string) {
		contentType := mime.FormatMediaType("multipart/form-data", map[string]string{"boundary": boundary})
		r, err := openai.ReadForm(sdk.ImageEdit, contentType, body)
		if err != nil {
			return
		}
		before := stdForm(t, body, boundary)
		if r.Model != "" && !reflect.DeepEqual(before["model"], []string{r.Model}) || r.Model == "" && before["model"] != nil {
			t.Fatalf("%q: model %q, mime/multipart says %q", body, r.Model, before["model"])
		}
		out, err := openai.SpliceForm(nil, contentType, body, model)
		if err != nil {
			if !strings.ContainsAny(model, "\r\n\x00") && !strings.HasPrefix(model, "--"+boundary) {
				t.Fatal(err)
			}
			return
		}
		after := stdForm(t, out, boundary)
		delete(before, "fallbacks")
		delete(before, "fallbacks[]")
		if model != "" || before["model"] != nil {
			before["model"] = []string{model}
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q\nspliced to %q\nreads %q\nwant  %q", body, out, after, before)
		}
	})
}

func stdForm(t *testing.T, body []byte, boundary string) map[string][]string {
	values := map[string][]string{}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatalf("mime/multipart cannot read %q: %v", body, err)
		}
		value, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("mime/multipart cannot read %q: %v", body, err)
		}
		name := p.FormName()
		if p.FileName() != "" {
			name = "file " + name
		}
		values[name] = append(values[name], string(value))
	}
}

func BenchmarkReadForm(b *testing.B) {
	big := audio
	big[1] = strings.Repeat("\x00\x01\r\nbytes of sound", 50000)
	body := []byte(form(big, plain("model", "whisper-1"), plain("stream", "true")))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openai.ReadForm(sdk.Transcription, formType, body); err != nil {
			b.Fatal(err)
		}
	}
}

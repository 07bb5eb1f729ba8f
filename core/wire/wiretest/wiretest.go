// Package wiretest holds a wire format to what all of them promise.
//
//	wiretest.go  golden files, one folder of testdata for each direction
//	streams.go   streams cut anywhere give the same events, and any bytes no panic
//	bench.go     what a translation costs
//	rules.go     what the rules say is what happens to a request
//
// A golden file has the input, a line of four dashes, and the output. They are
// written anew by go test -update.
package wiretest

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

var update = flag.Bool("update", false, "write the golden files")

const line = "\n----\n"

// Golden runs a format's golden files:
//
//	testdata/in      a client's request -> the hub's
//	testdata/out     the hub's request -> the provider's, and the warnings, or the refusal
//	testdata/answer  a provider's whole answer -> the hub's
//	testdata/said    the hub's whole answer -> the client's
//	testdata/stream  a provider's stream -> the hub's
//	testdata/told    the hub's stream -> the client's
func Golden(t *testing.T, f *hub.Format) {
	golden(t, "in", f.In != nil, func(t *testing.T, in []byte) []byte {
		path := ""
		if in[0] == '/' { // of a format that says there which model it asks
			line, rest, _ := bytes.Cut(in, []byte("\n"))
			path, in = string(line), rest
		}
		r, err := f.In.Facts(&hub.Ask{Endpoint: sdk.Chat, Path: path, Header: http.Header{}, Body: in})
		if err != nil {
			return []byte("refused: " + err.Error())
		}
		q, err := f.In.Request(in, &r)
		if err != nil {
			return []byte("refused: " + err.Error())
		}
		return pretty(t, openai.AppendHub(nil, q))
	})
	golden(t, "out", f.Out != nil, func(t *testing.T, in []byte) []byte {
		q := Hub(t, in)
		warnings, refused := f.Check(q)
		if fetched := f.ToFetch(q); refused == nil && len(fetched) > 0 {
			for _, p := range fetched {
				p.Bring(atURL[p.ByURL()], []byte("fetched"))
			}
			warnings, refused = f.Check(q)
		}
		if refused != nil {
			return []byte("refused: " + refused.Error())
		}
		out, err := f.Outgoing(nil, q, &warnings)
		if err != nil {
			return []byte("error: " + err.Error())
		}
		text := pretty(t, out)
		for _, w := range warnings {
			text = append(text, "\nwarning: "+w...)
		}
		return text
	})
	golden(t, "answer", f.Out != nil, func(t *testing.T, in []byte) []byte {
		r, err := f.Out.Response(in)
		switch {
		case err != nil:
			return []byte("error: " + err.Error())
		case r.Error != nil:
			return []byte("failed: " + r.Error.Type + ": " + r.Error.Message)
		}
		out, err := openai.AppendAnswer(nil, r)
		if err != nil {
			return []byte("error: " + err.Error())
		}
		return pretty(t, out)
	})
	golden(t, "said", f.In != nil, func(t *testing.T, in []byte) []byte {
		r, err := openai.ReadAnswer(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.In.Response(nil, r)
		if err != nil {
			return []byte("error: " + err.Error())
		}
		return pretty(t, out)
	})
	golden(t, "stream", f.Out != nil, func(_ *testing.T, in []byte) []byte {
		in = framed(in)
		out, err := Read(f, in, len(in))
		if err != nil {
			return append(out, "error: "+err.Error()...)
		}
		return out
	})
	golden(t, "told", f.In != nil, func(t *testing.T, in []byte) []byte { return Write(t, f, append(in, "\n\n"...)) })
}

// atURL is the media type of what is at URLs.
var atURL = map[hub.Field]string{hub.ImageURL: "image/png", hub.FileURL: "text/plain"}

// Hub reads a request of the hub's.
func Hub(t testing.TB, body []byte) *hub.Request {
	t.Helper()
	r, err := openai.ReadRequest(sdk.Chat, body)
	if err != nil {
		t.Fatal(err)
	}
	q, err := openai.ReadHub(body, &r)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func golden(t *testing.T, folder string, has bool, do func(*testing.T, []byte) []byte) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if has != (len(files) > 0) {
		t.Errorf("testdata/%s has %d files", folder, len(files))
	}
	for _, file := range files {
		t.Run(folder+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := bytes.Cut(text, []byte(line))
			got := append(bytes.TrimRight(do(t, in), "\n"), '\n')
			if *update {
				if err := os.WriteFile(file, bytes.Join([][]byte{in, []byte(line), got}, nil), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s\ngot\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}

// pretty is JSON with a field a line; what is no JSON is a fault of the format's.
func pretty(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return b.Bytes()
}

// Input is that of a golden file.
func Input(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in, _, _ := bytes.Cut(text, []byte(line))
	return in
}

// SameJSON tells whether two bodies say the same, whatever the order of their
// keys.
func SameJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

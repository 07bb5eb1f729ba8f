package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// maxMistakes is how many mistakes of an input are told.
const maxMistakes = 100

// maxCustomID is the longest custom_id, in bytes.
const maxCustomID = 512

// line is one request of an input file.
type line struct {
	CustomID string
	Body     json.RawMessage
}

// limits of an input.
type limits struct {
	endpoint string
	lines    int   // at most
	line     int64 // bytes at most
}

var lineKeys = rawjson.NewKeys("custom_id", "method", "url", "body")

// scan finds the requests of an input: each one's place, or the mistakes in
// them. Empty lines are no requests. The error is one of reading.
func scan(src io.Reader, l limits) (found []span, mistakes []Error, err error) {
	in := bufio.NewReaderSize(src, 256<<10)
	ids := make(map[string]int)
	var at int64
	var text []byte
	wrong := func(n int, code, param, message string) {
		if len(mistakes) < maxMistakes {
			mistakes = append(mistakes, Error{Code: code, Line: int64(n), Param: param, Message: message})
		}
	}
	for n := 1; ; n++ {
		var size int
		var last bool
		text, size, last, err = readLine(in, text[:0], l.line)
		if err != nil {
			return nil, nil, err
		}
		if body := bytes.TrimSpace(text); size > 0 && (len(body) > 0 || int64(size) > l.line) {
			switch {
			case int64(size) > l.line:
				wrong(n, "line_too_long", "", fmt.Sprintf("The line is longer than %d bytes, the router's limit for a request.", l.line))
			case len(found) == l.lines:
				wrong(n, "too_many_tasks", "", fmt.Sprintf("The file has more than %d requests, the limit batch.max_lines of the router.", l.lines))
				return nil, mistakes, nil
			default:
				id, code, param, message := check(body, l.endpoint)
				first, twice := ids[id]
				switch {
				case code != "":
					wrong(n, code, param, message)
				case twice:
					wrong(n, "duplicate_custom_id", "custom_id", fmt.Sprintf("The custom_id %q is that of line %d too.", id, first))
				default:
					ids[id] = n
				}
			}
			found = append(found, span{at, len(text)})
		}
		at += int64(size)
		if last {
			break
		}
	}
	if len(found) == 0 && len(mistakes) == 0 {
		mistakes = []Error{{Code: "empty_file", Message: "The file has no requests."}}
	}
	if len(mistakes) > 0 {
		return nil, mistakes, nil
	}
	return found, nil, nil
}

// readLine reads one line, of which it keeps limit bytes at most. size counts
// its newline; last: there is no other behind it.
func readLine(in *bufio.Reader, text []byte, limit int64) (_ []byte, size int, last bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += len(part)
		if int64(len(text)+len(part)) <= limit {
			text = append(text, part...)
		}
		switch {
		case err == nil:
			return text, size, false, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return text, size, true, nil
		default:
			return nil, 0, false, err
		}
	}
}

// check looks at one line: its custom_id, or what is wrong with which field.
func check(text []byte, endpoint string) (id, code, param, message string) {
	fields := make([]rawjson.Field, lineKeys.Len())
	if err := lineKeys.Scan(text, rawjson.DefaultDepth, fields); err != nil {
		return "", "invalid_json_line", "", "The line is no JSON object: " + err.Error() + "."
	}
	missing := func(name string) (string, string, string, string) {
		return "", "missing_required_parameter", name, "The line has no " + name + "."
	}
	str := func(i int) (string, bool) {
		v := fields[i].Value.Of(text)
		if len(v) == 0 || v[0] != '"' {
			return "", false
		}
		return rawjson.Unquote(v)
	}
	id, ok := str(0)
	switch {
	case !ok || id == "":
		return missing("custom_id")
	case len(id) > maxCustomID:
		return "", "invalid_value", "custom_id", fmt.Sprintf("The custom_id is longer than %d bytes.", maxCustomID)
	}
	method, ok := str(1)
	switch {
	case !ok:
		return missing("method")
	case method != "POST":
		return "", "invalid_method", "method", fmt.Sprintf("The method is %q; use POST.", method)
	}
	url, ok := str(2)
	switch {
	case !ok:
		return missing("url")
	case url != endpoint:
		return "", "url_mismatch", "url", fmt.Sprintf("The url is %q, and the batch's endpoint %q.", url, endpoint)
	}
	body := fields[3].Value.Of(text)
	if len(body) == 0 {
		return missing("body")
	}
	if body[0] != '{' {
		return "", "invalid_value", "body", "The body is no JSON object."
	}
	c := rawjson.Cursor{Doc: body}
	for c.Object(); c.Key(); {
		if string(c.Name) == "stream" && strings.TrimSpace(string(c.Skip().Of(body))) == "true" {
			return "", "invalid_value", "body.stream", "A batch has no streams; leave stream out."
		} else if string(c.Name) != "stream" {
			c.Skip()
		}
	}
	return id, "", "", ""
}

// readAt reads one request that scan has found good.
func readAt(src io.ReaderAt, s span) (l line, err error) {
	text := make([]byte, s.n)
	if _, err := src.ReadAt(text, s.at); err != nil {
		return l, err
	}
	text = bytes.TrimSpace(text)
	fields := make([]rawjson.Field, lineKeys.Len())
	if err := lineKeys.Scan(text, rawjson.DefaultDepth, fields); err != nil {
		return l, err
	}
	l.CustomID, _ = rawjson.Unquote(fields[0].Value.Of(text))
	l.Body = fields[3].Value.Of(text)
	return l, nil
}

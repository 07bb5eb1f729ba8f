package openai

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Limits of a multipart body. OpenAI's own clients stay far below.
const (
	maxParts       = 128
	maxHeaderBytes = 8 << 10 // of one part
)

// part is one part of a multipart body.
type part struct {
	name  string
	file  bool          // it has a filename
	whole rawjson.Range // from its boundary up to the next one
	value rawjson.Range
}

// formBoundary returns the boundary that a multipart/form-data type names.
func formBoundary(contentType string) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return "", fmt.Errorf("want multipart/form-data, got %q", contentType)
	}
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > 70 || strings.HasSuffix(boundary, " ") {
		return "", errors.New("the boundary must have 1 to 70 characters and not end in a blank")
	}
	for _, c := range []byte(boundary) {
		if !isAlphanumeric(c) && !strings.ContainsRune("'()+_,-./:=? ", rune(c)) {
			return "", fmt.Errorf("the boundary holds %q, which RFC 2046 does not allow", c)
		}
	}
	return boundary, nil
}

func isAlphanumeric(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// splitForm cuts a multipart body into parts. It takes what RFC 2046 calls for
// and nothing that two readers could see differently: no preamble, no epilogue
// but a line end, CRLF everywhere, no blanks behind a boundary, no folded
// headers, no boundary's text inside a part.
func splitForm(body []byte, boundary string) ([]part, error) {
	delimiter := []byte("\r\n--" + boundary)
	rest, ok := bytes.CutPrefix(body, delimiter[2:])
	if !ok {
		return nil, errors.New("the body does not start with its boundary")
	}
	var parts []part
	start := 0 // of the boundary of the part to come
	for {
		at := len(body) - len(rest)
		if tail, last := bytes.CutPrefix(rest, []byte("--")); last {
			if len(tail) > 0 && string(tail) != "\r\n" {
				return nil, fmt.Errorf("byte %d: more behind the last boundary", at+2)
			}
			return parts, nil
		}
		if rest, ok = bytes.CutPrefix(rest, []byte("\r\n")); !ok {
			return nil, fmt.Errorf("byte %d: a boundary must be followed by a line end or --", at)
		}
		if len(parts) == maxParts {
			return nil, fmt.Errorf("more than %d parts", maxParts)
		}
		p, n, err := readHeader(rest)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", len(parts)+1, err)
		}
		rest = rest[n:]
		p.value.Start = len(body) - len(rest)
		// From the header's line end on, to notice a boundary that lacks its own.
		end := bytes.Index(body[p.value.Start-2:], delimiter) + p.value.Start - 2
		switch {
		case end < p.value.Start-2:
			return nil, fmt.Errorf("part %d: no boundary ends it", len(parts)+1)
		case end < p.value.Start:
			return nil, fmt.Errorf("part %d: a line end must stand before the boundary", len(parts)+1)
		}
		next := end + 2
		p.value.End = end
		p.whole = rawjson.Range{Start: start, End: next}
		start = next
		parts = append(parts, p)
		rest = body[end+len(delimiter):]
	}
}

// readHeader reads the header of a part up to and with its blank line.
func readHeader(b []byte) (p part, n int, err error) {
	end := bytes.Index(b[:min(len(b), maxHeaderBytes)], []byte("\r\n\r\n"))
	if end < 0 {
		return p, 0, fmt.Errorf("its header does not end within %d bytes", maxHeaderBytes)
	}
	named := false
	for line := range strings.SplitSeq(string(b[:end]), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.IndexFunc(name, notToken) >= 0 || strings.IndexFunc(value, isControl) >= 0 {
			return p, 0, fmt.Errorf("bad header line %q", line)
		}
		switch strings.ToLower(name) {
		case "content-disposition":
			if named {
				return p, 0, errors.New("two Content-Disposition headers")
			}
			named = true
			if p.name, p.file, err = disposition(value); err != nil {
				return p, 0, err
			}
		case "content-transfer-encoding":
			switch e := strings.ToLower(strings.TrimSpace(value)); e {
			case "7bit", "8bit", "binary":
			default:
				// RFC 7578, section 4.7, deprecates the others; not all readers undo them.
				return p, 0, fmt.Errorf("transfer encoding %q", e)
			}
		}
	}
	if !named {
		return p, 0, errors.New("no Content-Disposition header")
	}
	return p, end + 4, nil
}

func disposition(value string) (name string, file bool, err error) {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || kind != "form-data" {
		return "", false, fmt.Errorf("want Content-Disposition: form-data, got %q", strings.TrimSpace(value))
	}
	if strings.Contains(strings.ToLower(value), "name*") {
		// RFC 7578, section 4.2, forbids it; readers differ on which name wins.
		return "", false, errors.New("an encoded name in Content-Disposition")
	}
	name, ok := params["name"]
	if !ok {
		return "", false, errors.New("no name in Content-Disposition")
	}
	_, file = params["filename"]
	return name, file, nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func notToken(r rune) bool {
	return r > 0x7e || !isAlphanumeric(byte(r)) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

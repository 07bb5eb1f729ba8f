package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
)

// Form makes a form of a line's body, for endpoints that take nothing else. A
// field is written as JSON writes it, a list as one field for each element, and
// a data: URL in base64 becomes a file.
func Form(body []byte) (contentType string, form []byte, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return "", nil, err
	}
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, name := range sorted(fields) {
		var list []json.RawMessage
		if json.Unmarshal(fields[name], &list) != nil {
			if err := addField(w, name, fields[name]); err != nil {
				return "", nil, err
			}
			continue
		}
		for _, v := range list {
			if err := addField(w, name+"[]", v); err != nil {
				return "", nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return w.FormDataContentType(), buf.Bytes(), nil
}

// sorted makes a form the same for the same body.
func sorted(fields map[string]json.RawMessage) []string {
	names := make([]string, 0, len(fields))
	for name, v := range fields {
		if string(v) != "null" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func addField(w *multipart.Writer, name string, value json.RawMessage) error {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return w.WriteField(name, string(value))
	}
	head, data, ok := strings.Cut(text, ";base64,")
	kind, isData := strings.CutPrefix(head, "data:")
	if !ok || !isData {
		return w.WriteField(name, text)
	}
	content, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fmt.Errorf("%s: the data: URL is no base64: %w", name, err)
	}
	filename := "file"
	if ext, err := mime.ExtensionsByType(kind); err == nil && len(ext) > 0 {
		filename += ext[0]
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": name, "filename": filename})},
		"Content-Type":        {kind},
	})
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	return err
}

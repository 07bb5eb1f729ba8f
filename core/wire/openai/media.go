package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// place is where in a prompt a value stands; an array's elements stand where it
// does. Media are looked for where a format has them, and nowhere else: what
// stands in the arguments, the results and the definitions of tools is read as
// text.
type place int

const (
	nowhere  place = iota // no media, whatever it looks like
	inBody                // the body
	inPart                // a message, an item or a part of one
	inNamed               // parts by names of the client's
	inTool                // a definition of one
	inMask                // what says where a picture is to be drawn anew
	inHolder              // an object around media, which says their type
	inSound               // one around what can only be audio
	inLink                // a data URL, or an object around one
	inBlob                // base64, or a data URL
)

var places = map[place]map[string]place{
	inBody: {
		"messages": inPart, "input": inPart, "system": inPart, "prompt": inPart, "tools": inTool,
		"contents": inPart, "content": inPart, "requests": inPart,
		"systemInstruction": inPart, "system_instruction": inPart,
		"generateContentRequest": inPart, "generate_content_request": inPart,
	},
	inPart: {
		"content": inPart, "output": inPart, "images": inPart,
		"contents": inPart, "parts": inPart, "functionResponse": inPart, "function_response": inPart,
		"systemInstruction": inPart, "system_instruction": inPart,
		"variables": inNamed,
		"image_url": inLink, "video_url": inLink, "audio_url": inLink,
		"file_data": inBlob, "file": inHolder, "input_audio": inSound,
		"source": inHolder, "inlineData": inHolder, "inline_data": inHolder,
	},
	inTool:   {"input_image_mask": inMask},
	inMask:   {"image_url": inLink},
	inHolder: {"url": inLink, "data": inBlob, "file_data": inBlob, "content": inPart},
	inSound:  {"data": inBlob},
	inLink:   {"url": inLink},
}

// under is where the value of a key stands, in an object that stands at p.
func (p place) under(key string) place {
	if p == inNamed {
		return inPart
	}
	return places[p][key]
}

// kind is what somebody says that bytes are.
type kind int

const (
	unsaid   kind = iota // or of a type that may be text or not
	noText               // nobody reads it as text
	someText             // somebody does
	plain                // they are a text, in no base64
)

func kindOf(media string) kind {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	general, sub, _ := strings.Cut(strings.TrimSpace(media), "/")
	switch {
	case general == "text", strings.HasSuffix(sub, "+xml"):
		return someText
	case general == "image", general == "audio", general == "video", media == "application/pdf":
		return noText
	}
	return unsaid
}

// kindIn is the kind of the media in the next value, an object that was entered.
// Of two types that most say text by, the provider may take either.
func kindIn(c rawjson.Cursor) kind {
	found := unsaid
	for c.Key() {
		switch strings.ReplaceAll(strings.ToLower(string(c.Name)), "_", "") {
		case "type":
			if value, _ := c.Text(); value == "text" {
				return plain
			}
		case "mediatype", "mimetype":
			value, _ := c.Text()
			found = max(found, kindOf(value))
		default:
			c.Skip()
		}
	}
	return found
}

// media is what is shown, in JSON, of the inside of a string in a link or a blob:
// nothing of media, and a text in base64 decoded, which t then tells of. It is
// false for what is shown as it is.
func media(p place, k kind, raw []byte) (shown []byte, t *hidden, is bool) {
	if bytes.IndexByte(raw, '\\') >= 0 { // some escape slashes
		raw, _ = rawjson.AppendText(nil, raw)
	}
	head, data, isURL := dataURL(raw)
	if isURL {
		k = max(k, kindOf(string(head[len(dataScheme):])))
	} else if data = raw; p == inLink {
		return nil, nil, false
	}
	if k == plain || !isBase64(data) {
		return nil, nil, false
	}
	looks := http.DetectContentType(firstBytes(data))
	switch isText := strings.HasPrefix(looks, "text/") || looks == "application/postscript"; {
	case k == someText || isText:
		text, err := decode(data)
		if err != nil || !utf8.Valid(text) {
			return nil, nil, false
		}
		return rawjson.AppendQuote(nil, string(text)), &hidden{head: string(head)}, true
	case k == noText, looks != "application/octet-stream":
		return []byte(`""`), nil, true
	}
	return nil, nil, false
}

const dataScheme = "data:"

// dataURL cuts a URL in two, where it has its bytes in base64 in it.
func dataURL(s []byte) (head, data []byte, ok bool) {
	if len(s) < len(dataScheme) || !bytes.EqualFold(s[:len(dataScheme)], []byte(dataScheme)) {
		return nil, nil, false
	}
	at := bytes.IndexByte(s, ',') + 1
	const mark = ";base64,"
	if at < len(mark) || !bytes.EqualFold(s[at-len(mark):at], []byte(mark)) {
		return nil, nil, false
	}
	return s[:at], s[at:], true
}

// inBase64 are the bytes that it is made of, with the breaks that decoders skip.
var inBase64 = func() (is [256]bool) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n") {
		is[b] = true
	}
	return is
}()

func isBase64(s []byte) bool {
	for _, b := range s {
		if !inBase64[b] {
			return false
		}
	}
	return len(s) > 0
}

// firstBytes are what tells media by; fewer where it is no base64 after all.
func firstBytes(data []byte) []byte {
	const chars = 1024 // of which breaks are few
	head, _ := decode(data[:min(len(data), chars)&^3])
	return head
}

// decode takes base64 with and without its end filled up.
func decode(data []byte) ([]byte, error) {
	return base64.RawStdEncoding.AppendDecode(nil, bytes.TrimRight(data, "=\r\n"))
}

// Patch appends to dst a body with a JSON patch applied to what [Prompt] said of
// it: a text that was shown decoded goes back into its base64.
func Patch(dst, body, patch []byte, limit int) ([]byte, error) {
	w := inspector{c: rawjson.Cursor{Doc: body}}
	if w.prompt(); len(w.texts) > 0 {
		var err error
		if patch, err = encode(body, patch, w.texts); err != nil {
			return dst, err
		}
	}
	return rawjson.Patch(dst, body, patch, limit)
}

func encode(body, patch []byte, texts []hidden) ([]byte, error) {
	var ops []map[string]any
	if err := json.Unmarshal(patch, &ops); err != nil {
		return nil, fmt.Errorf("patch: it is no array of operations: %w", err)
	}
	for _, o := range ops {
		path, _ := o["path"].(string)
		value, isText := o["value"].(string)
		at, found := rawjson.At(body, path)
		if !isText || !found {
			continue
		}
		for _, t := range texts {
			if t.at == at {
				o["value"] = t.head + base64.StdEncoding.EncodeToString([]byte(value))
			}
		}
	}
	return json.Marshal(ops)
}

package hub

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// ToFetch lists the parts of a request that are at a URL which the format's
// rules want fetched. The request gets messages of its own for them: whoever
// calls puts the bytes in by [Part.Bring].
func (f *Format) ToFetch(q *Request) []*Part {
	var found []*Part
	for i := range q.Messages {
		first := true
		for j := range q.Messages[i].Parts {
			if !f.fetches(&q.Messages[i].Parts[j]) {
				continue
			}
			if found == nil {
				q.Messages = slices.Clone(q.Messages)
			}
			m := &q.Messages[i]
			if first {
				m.Parts, m.Whole, first = slices.Clone(m.Parts), nil, false
			}
			found = append(found, &m.Parts[j])
		}
	}
	return found
}

func (f *Format) fetches(p *Part) bool {
	return len(p.URL) > 0 && f.Out.Rules[p.ByURL()].How == Fetched && (f.Out.Reads == nil || !f.Out.Reads(p.URL))
}

// Locate notes where a picture or a file is: at a URL, or in one (RFC 2397).
func (p *Part) Locate(url Text) {
	if bytes.HasPrefix(url, []byte("data:")) {
		if bytes.IndexByte(url, '\\') >= 0 { // some escape slashes and plus signs
			if plain, exact := rawjson.AppendText(nil, url); exact && !bytes.ContainsFunc(plain, needsEscape) {
				url = plain
			}
		}
		head, data, ok := bytes.Cut(url[len("data:"):], []byte(","))
		if media, is := bytes.CutSuffix(head, []byte(";base64")); ok && is {
			p.Media, p.Data = media, data
			return
		}
	}
	p.URL = url
}

func needsEscape(r rune) bool { return r < ' ' || r == '"' || r == '\\' }

// ByURL is the field that a part at a URL is of.
func (p *Part) ByURL() Field {
	if p.Kind == ImagePart {
		return ImageURL
	}
	return FileURL
}

// Bring puts what was found at a part's URL in its place. Its media type says
// what the part is then.
func (p *Part) Bring(media string, body []byte) {
	p.URL, p.Whole = nil, nil
	kind, sub, _ := strings.Cut(media, "/")
	switch kind {
	case "text":
		p.Kind = FilePart
		p.Text = rawjson.Escaped(string(body))
		return
	case "image":
		p.Kind = ImagePart
	case "audio":
		p.Kind, media = AudioPart, audioFormat(sub)
	default:
		p.Kind = FilePart
	}
	p.Media, p.Data = Text(media), base64.StdEncoding.AppendEncode(nil, body)
}

// audioFormat is OpenAI's name of an audio type.
func audioFormat(sub string) string {
	switch sub {
	case "mpeg":
		return "mp3"
	case "mp4":
		return "m4a"
	}
	return strings.TrimPrefix(sub, "x-")
}

package gemini

import (
	"strconv"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// annotations makes chat's url_citations of what an answer is grounded in: one for
// each source that supports a segment of the text
// (https://ai.google.dev/api/generate-content#GroundingMetadata). Gemini counts
// bytes, chat characters.
func annotations(metadata hub.Raw, parts []hub.Part) hub.Raw {
	var sources []hub.Raw
	if c := (rawjson.Cursor{Doc: child(metadata, "groundingChunks")}); c.Array() {
		for c.More() {
			sources = append(sources, child(c.Skip().Of(c.Doc), "web"))
		}
	}
	supports := rawjson.Cursor{Doc: child(metadata, "groundingSupports")}
	if len(sources) == 0 || !supports.Array() {
		return nil
	}
	said := spoken(parts)
	out := []byte{'['}
	for supports.More() {
		support := supports.Skip().Of(supports.Doc)
		segment := child(support, "segment")
		start, _ := rawjson.Int(child(segment, "startIndex"))
		end, _ := rawjson.Int(child(segment, "endIndex"))
		of := rawjson.Cursor{Doc: child(support, "groundingChunkIndices")}
		if !of.Array() {
			continue
		}
		for of.More() {
			n, ok := of.Int()
			if !ok || n < 0 || n >= int64(len(sources)) || len(sources[n]) == 0 {
				continue
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, `{"type":"url_citation","url_citation":{"start_index":`...)
			out = strconv.AppendInt(out, characters(said, start), 10)
			out = strconv.AppendInt(append(out, `,"end_index":`...), characters(said, end), 10)
			out = append(append(out, `,"url":"`...), text(sources[n], "uri")...)
			out = append(append(out, `","title":"`...), text(sources[n], "title")...)
			out = append(out, `"}}`...)
		}
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, ']')
}

// spoken is the text of an answer, decoded.
func spoken(parts []hub.Part) (said []byte) {
	for i := range parts {
		if p := &parts[i]; p.Kind == hub.TextPart {
			said, _ = rawjson.AppendText(said, p.Text)
		}
	}
	return said
}

// characters are how many the first n bytes are.
func characters(said []byte, n int64) int64 {
	return int64(utf8.RuneCount(said[:max(0, min(n, int64(len(said))))]))
}

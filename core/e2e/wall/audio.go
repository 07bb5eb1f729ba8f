package wall

import (
	"encoding/json"
	"net/http"
	"strings"
)

// The fields of openai-go's AudioSpeechNewParams, AudioTranscriptionNewParams and AudioTranslationNewParams.
var (
	speechFields     = fields("input model voice instructions response_format speed stream_format")
	transcribeFields = fields(`file model chunking_strategy include keywords known_speaker_names
		known_speaker_references language languages prompt response_format stream temperature timestamp_granularities`)
)

// soundOfWord is how many bytes a spoken word takes: each value of a byte once, so that nothing may treat it as text.
const soundOfWord = 256

var soundTypes = map[string]string{
	"": "audio/mpeg", "mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
}

// sound is what the wall speaks for a text: the bytes 0 to 255 for each word.
func sound(text string) []byte {
	said := make([]byte, soundOfWord*len(strings.Fields(text)))
	for i := range said {
		said[i] = byte(i)
	}
	return said
}

func (x *exchange) speak() {
	r := x.knows()
	for _, name := range []string{"input", "voice"} {
		if r == nil && !x.has(name) {
			r = missing(name)
		}
	}
	format := x.text("response_format")
	kind, known := soundTypes[format]
	if r == nil && !known {
		r = bad("invalid_value", "response_format", "Invalid value: '%s'. Supported values are: 'mp3', 'opus', 'aac', 'flac', 'wav', and 'pcm'.", format)
	}
	if r != nil {
		x.refuse(r)
		return
	}
	if echo := x.echo(speechFields); echo != nil {
		x.writer.Header().Set("X-Echo", string(encode(echo))) // the body has no room for it
	}
	x.whole(http.StatusOK, kind, sound(x.text("input")))
}

func (x *exchange) transcribe() { x.hear("transcribe") }

func (x *exchange) translate() { x.hear("translate") }

// hear answers with a sentence that shows which file arrived.
func (x *exchange) hear(task string) {
	if x.form == nil {
		x.refuse(notMultipart())
		return
	}
	r := x.knows()
	if r == nil && len(x.form.File["file"]) == 0 {
		r = missing("file")
	}
	if r != nil {
		x.refuse(r)
		return
	}
	file := x.form.File["file"][0]
	text := "I hear " + itoa(int(file.Size)) + " bytes of " + file.Filename + "."
	if x.stream && task == "transcribe" {
		x.streamTranscript(text)
		return
	}
	const seconds = 1
	switch format := x.value("response_format"); format {
	case "", "json":
		type usage struct {
			Type    string `json:"type"`
			Seconds int    `json:"seconds"`
		}
		x.json(struct {
			Text  string                     `json:"text"`
			Usage usage                      `json:"usage"`
			Echo  map[string]json.RawMessage `json:"x_echo,omitempty"`
		}{text, usage{"duration", seconds}, x.echo(transcribeFields)})
	case "verbose_json":
		type segment struct {
			ID    int     `json:"id"`
			Start float64 `json:"start"`
			End   float64 `json:"end"`
			Text  string  `json:"text"`
		}
		x.json(struct {
			Task     string                     `json:"task"`
			Language string                     `json:"language"`
			Duration float64                    `json:"duration"`
			Text     string                     `json:"text"`
			Segments []segment                  `json:"segments"`
			Echo     map[string]json.RawMessage `json:"x_echo,omitempty"`
		}{task, "english", seconds, text, []segment{{Start: 0, End: seconds, Text: text}}, x.echo(transcribeFields)})
	case "text":
		x.whole(http.StatusOK, "text/plain; charset=utf-8", []byte(text+"\n"))
	case "srt":
		x.whole(http.StatusOK, "text/plain; charset=utf-8", []byte("1\n00:00:00,000 --> 00:00:01,000\n"+text+"\n\n"))
	case "vtt":
		x.whole(http.StatusOK, "text/plain; charset=utf-8", []byte("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n"+text+"\n\n"))
	default:
		x.refuse(bad("invalid_value", "response_format", "Invalid value: '%s'. Supported values are: 'json', 'text', 'srt', 'verbose_json', and 'vtt'.", format))
	}
}

// streamTranscript sends openai-go's TranscriptionTextDeltaEvent and TranscriptionTextDoneEvent.
func (x *exchange) streamTranscript(text string) {
	x.open()
	for _, piece := range words(text) {
		if !x.event(named("transcript.text.delta", map[string]string{"type": "transcript.text.delta", "delta": piece})) {
			return
		}
	}
	x.last(named("transcript.text.done", map[string]string{"type": "transcript.text.done", "text": text}))
}

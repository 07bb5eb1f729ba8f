package golang

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func (s *suite) endpoints(t *testing.T) {
	for _, endpoint := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"models", s.listed},
		{"completions", s.completions},
		{"embeddings", s.embeddings},
		{"images", s.images},
		{"speech", s.speech},
		{"transcription", s.transcription},
		{"moderation", s.moderation},
		{"rerank", s.rerank},
	} {
		t.Run(endpoint.name, func(t *testing.T) {
			t.Parallel()
			endpoint.run(t)
		})
	}
}

func (s *suite) listed(t *testing.T) {
	ctx, found := limited(t), false
	pager := s.client.Models.ListAutoPaging(ctx)
	for pager.Next() {
		found = found || pager.Current().ID == s.models.Chat
	}
	if pager.Err() != nil || !found {
		t.Errorf("%s is not listed: %v", s.models.Chat, pager.Err())
	}
	if one, err := s.client.Models.Get(ctx, s.models.Chat); err != nil || one.ID != s.models.Chat {
		t.Errorf("%v %+v", err, one)
	}
	_, err := s.client.Models.Get(ctx, s.models.Missing)
	var failed *openai.Error
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusNotFound {
		t.Errorf("missing, but %v", err)
	}
}

func (s *suite) completions(t *testing.T) {
	request := openai.CompletionNewParams{
		Model:  openai.CompletionNewParamsModel(s.models.Completion),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("hello there")},
	}
	answer, err := s.client.Completions.New(limited(t), request, unknown)
	if err != nil {
		t.Fatal(err)
	}
	echoed(t, answer.JSON.ExtraFields)
	var text strings.Builder
	for _, chunk := range collect(t, s.client.Completions.NewStreaming(limited(t), request)) {
		text.WriteString(chunk.Choices[0].Text)
	}
	if text.String() != answer.Choices[0].Text || !strings.Contains(text.String(), "hello there") {
		t.Errorf("streamed %q, whole %q", text.String(), answer.Choices[0].Text)
	}
}

func (s *suite) embeddings(t *testing.T) {
	const dimensions = 8
	request := openai.EmbeddingNewParams{
		Model: s.models.Embedding, Dimensions: openai.Int(dimensions),
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	}
	var vectors [2][]float64
	for i, format := range []openai.EmbeddingNewParamsEncodingFormat{"float", "base64"} {
		request.EncodingFormat = format
		answer, err := s.client.Embeddings.New(limited(t), request, unknown)
		if err != nil {
			t.Fatal(err)
		}
		echoed(t, answer.JSON.ExtraFields)
		if len(answer.Data) != 2 || answer.Data[1].Index != 1 || len(answer.Data[1].Embedding) != dimensions {
			t.Fatalf("%s: %s", format, answer.RawJSON())
		}
		vectors[i] = answer.Data[1].Embedding
	}
	for i := range dimensions {
		if math.Abs(vectors[0][i]-vectors[1][i]) > 1e-6 {
			t.Errorf("float %v, base64 %v", vectors[0], vectors[1])
		}
	}
}

func (s *suite) images(t *testing.T) {
	drawn, err := s.client.Images.Generate(limited(t), openai.ImageGenerateParams{Model: s.models.Image, Prompt: "a wall", N: openai.Int(2)}, unknown)
	if err != nil {
		t.Fatal(err)
	}
	if len(drawn.Data) != 2 || drawn.Data[0].B64JSON == "" {
		t.Errorf("got %s", drawn.RawJSON())
	}
	echoed(t, drawn.JSON.ExtraFields)
	events := collect(t, s.client.Images.GenerateStreaming(limited(t), openai.ImageGenerateParams{Model: s.models.Image, Prompt: "a wall"}))
	if last := events[len(events)-1]; last.Type != "image_generation.completed" || last.B64JSON == "" {
		t.Errorf("last event %s", last.RawJSON())
	}
	edited, err := s.client.Images.Edit(limited(t), openai.ImageEditParams{
		Model: s.models.Image, Prompt: "mend",
		Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{picture("a.png"), picture("b.png")}},
	})
	if err != nil || !strings.Contains(edited.Data[0].RevisedPrompt, "2 images") {
		t.Errorf("%v %+v", err, edited)
	}
	//nolint:staticcheck // deprecated at OpenAI, and served by the router all the same
	varied, err := s.client.Images.NewVariation(limited(t), openai.ImageNewVariationParams{Model: s.models.Image, Image: picture("a.png")})
	if err != nil || len(varied.Data) != 1 || varied.Data[0].B64JSON == "" {
		t.Errorf("%v %+v", err, varied)
	}
}

// bytesOf is binary data of a size, each value of a byte in it.
func bytesOf(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}

func picture(name string) io.Reader {
	return openai.File(bytes.NewReader(bytesOf(300)), name, "image/png")
}

func (s *suite) speech(t *testing.T) {
	reply, err := s.client.Audio.Speech.New(limited(t), openai.AudioSpeechNewParams{
		Model: s.models.Speech, Input: "three words here",
		Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	sound, err := io.ReadAll(reply.Body)
	if err != nil || reply.Header.Get("Content-Type") != "audio/mpeg" || !bytes.Equal(sound, bytesOf(3*256)) {
		t.Errorf("%v, %s, %d bytes", err, reply.Header.Get("Content-Type"), len(sound))
	}
}

func (s *suite) transcription(t *testing.T) {
	const size = 70_000 // more than any one buffer on the way
	talk := func() io.Reader { return openai.File(bytes.NewReader(bytesOf(size)), "talk.mp3", "audio/mpeg") }
	heard, err := s.client.Audio.Transcriptions.New(limited(t), openai.AudioTranscriptionNewParams{Model: s.models.Transcription, File: talk()})
	if err != nil || !strings.Contains(heard.Text, "70000 bytes of talk.mp3") {
		t.Fatalf("%v %+v", err, heard)
	}
	events := collect(t, s.client.Audio.Transcriptions.NewStreaming(limited(t), openai.AudioTranscriptionNewParams{Model: s.models.Transcription, File: talk()}))
	if last := events[len(events)-1]; last.Type != "transcript.text.done" || last.Text != heard.Text {
		t.Errorf("last event %s", last.RawJSON())
	}
	//nolint:staticcheck // deprecated at OpenAI, and served by the router all the same
	translated, err := s.client.Audio.Translations.New(limited(t), openai.AudioTranslationNewParams{Model: s.models.Transcription, File: talk()})
	if err != nil || translated.Text != heard.Text {
		t.Errorf("%v %+v", err, translated)
	}
}

func (s *suite) moderation(t *testing.T) {
	answer, err := s.client.Moderations.New(limited(t), openai.ModerationNewParams{
		Model: s.models.Moderation,
		Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"I kill time", "I like time"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := answer.Results; len(r) != 2 || !r[0].Flagged || !r[0].Categories.Violence || r[1].Flagged {
		t.Errorf("got %s", answer.RawJSON())
	}
}

// rerank is not in the client; its users post it.
func (s *suite) rerank(t *testing.T) {
	var answer struct {
		Results []struct{ Index int }
	}
	request := map[string]any{"model": s.models.Rerank, "query": "red wall", "documents": []string{"blue sea", "a red wall"}}
	if err := s.client.Post(limited(t), "rerank", request, &answer, option.WithMaxRetries(0)); err != nil {
		t.Fatal(err)
	}
	if len(answer.Results) != 2 || answer.Results[0].Index != 1 {
		t.Errorf("got %+v", answer)
	}
}

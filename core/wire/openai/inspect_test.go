package openai

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

func TestPromptIsWhatAModelReads(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want, fails string }{
		{
			name: "chat", body: `{"model":"m","messages":[ {"role":"user","content":"hi"} ],"temperature":1}`,
			want: `{"messages":[ {"role":"user","content":"hi"} ]}`,
		},
		{
			name: "responses", body: `{"instructions":"be kind","model":"m","input":"hi","prompt":{"id":"p","variables":{"a":"b"}}}`,
			want: `{"instructions":"be kind","input":"hi","prompt":{"id":"p","variables":{"a":"b"}}}`,
		},
		{name: "rerank", body: `{"query":"q","documents":["a",{"text":"b"}]}`, want: `{"query":"q","documents":["a",{"text":"b"}]}`},
		{
			name: "definitions", body: `{"tools":[{"type":"function","function":{"name":"f","description":"d"}}],"tool_choice":"auto","functions":[],"response_format":{"type":"json_object"},"text":{"format":{"type":"text"}}}`,
			want: `{"tools":[{"type":"function","function":{"name":"f","description":"d"}}],"functions":[],"response_format":{"type":"json_object"},"text":{"format":{"type":"text"}}}`,
		},
		{
			name: "the answer that is expected", body: `{"model":"m","prediction":{"type":"content","content":"hi"},"web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"Rome"}}}}`,
			want: `{"prediction":{"type":"content","content":"hi"},"web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"Rome"}}}}`,
		},
		{
			name: "how Anthropic is to sum up", body: `{"context_management":{"edits":[{"type":"compact_20260112","instructions":"be short"}]}}`,
			want: `{"context_management":{"edits":[{"type":"compact_20260112","instructions":"be short"}]}}`,
		},
		{
			name: "one embedding of Gemini's", body: `{"content":{"parts":[{"text":"hi"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"t","embedContentConfig":{"title":"u"}}`,
			want: `{"content":{"parts":[{"text":"hi"}]},"title":"t","embedContentConfig":{"title":"u"}}`,
		},
		{
			name: "embeddings of Gemini's", body: `{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"` + strings.Repeat("AAAA", 200) + `"}}]}}]}`,
			want: `{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":""}}]}}]}`,
		},
		{
			name: "tokens that Gemini counts", body: `{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"hi"}]}]}}`,
			want: `{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"hi"}]}]}}`,
		},
		{
			name: "Gemini's fields in snake case", body: `{"generate_content_request":{"contents":[]},"generateContent_request":{},"system_instruction":"s","generation_config":{},"embed_content_config":{}}`,
			want: `{"generate_content_request":{"contents":[]},"generateContent_request":{},"system_instruction":"s","generation_config":{},"embed_content_config":{}}`,
		},
		{name: "a key twice in a tool", body: `{"tools":[{"name":"f","name":"g"}]}`, fails: `the key "name" twice`},
		{name: "nothing to read", body: `{"model":"m"}`},
		{name: "null", body: `{"messages":null}`, want: `{"messages":null}`},
		{name: "another case", body: `{"Me\u0053sages":[{"content":"x"}]}`, want: `{"MeSsages":[{"content":"x"}]}`},
		{name: "another case, as Go takes it for the same", body: `{"meſſages":[{"content":"x"}]}`, want: `{"meſſages":[{"content":"x"}]}`},
		{
			name: "no images", body: `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}`,
			want: `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"","detail":"low"}},{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}`,
		},
		{
			name: "no audio and no files", body: `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"file","file":{"file_data":"JVBERi0xLjcK4uPP0w==","filename":"x"}}]}]}`,
			want: `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}},{"type":"file","file":{"file_data":"","filename":"x"}}]}]}`,
		},
		{name: "images of responses", body: `{"input":[{"content":[{"type":"input_image","image_url":"data:image/gif;base64,R0lGODlhAQAB"}]}]}`, want: `{"input":[{"content":[{"type":"input_image","image_url":""}]}]}`},
		{name: "text that looks like data", body: `{"input":"data:text","messages":[{"data":"kept"}]}`, want: `{"input":"data:text","messages":[{"data":"kept"}]}`},
		{name: "a key twice", body: `{"messages":[{"role":"user","content":"bad","c\u006fntent":"good"}]}`, fails: `the key "content" twice`},
		{
			name: "a key twice among many", body: `{"messages":[{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"i":2}]}`, fails: `the key "i" twice`,
		},
		{name: "the same key in two objects", body: `{"messages":[{"a":1},{"a":2}]}`, want: `{"messages":[{"a":1},{"a":2}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Prompt([]byte(tc.body))
			if tc.fails != "" {
				var werr *wire.Error
				if !errors.As(err, &werr) || werr.Status != 400 || !strings.Contains(werr.Message, tc.fails) {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

// A text that looks like a picture, or stands where no format has one, is shown.
func TestPromptHidesNoText(t *testing.T) {
	t.Parallel()
	const png = "iVBORw0KGgoAAAANSUhEUgAAAAE="
	encoded := base64.StdEncoding.EncodeToString([]byte("the secret"))
	link := func(media, data string) string { return "data:" + media + ";base64," + data }
	for _, tc := range []struct{ name, body, want string }{
		{name: "arguments as an object", body: `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"url":"` + link("image/png", png) + `","file_data":"secret","input_audio":{"data":"secret"}}}}]}]}`},
		{name: "input of a tool of Anthropic's", body: `{"messages":[{"content":[{"type":"tool_use","input":{"image_url":"` + link("image/png", png) + `","content":[{"source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]}}]}]}`},
		{name: "arguments and results of Gemini's", body: `{"contents":[{"parts":[{"functionCall":{"args":{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}}},{"functionResponse":{"response":{"output":{"url":"` + link("image/png", png) + `"}}}}]}]}`},
		{name: "a tool", body: `{"tools":[{"function":{"parameters":{"default":{"image_url":{"url":"` + link("image/png", png) + `"}}}}}]}`},
		{name: "a document", body: `{"documents":[{"url":"` + link("image/png", png) + `"}]}`},
		{name: "a variable of a stored prompt", body: `{"prompt":{"variables":{"image_url":"` + link("image/png", png) + `"}}}`},
		{name: "no base64", body: `{"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,the secret"}},{"image_url":{"url":"data:the secret"}},{"file":{"file_data":"the secret"}},{"input_audio":{"data":"the secret"}}]}]}`},
		{name: "a text of Anthropic's that is one word", body: `{"messages":[{"content":[{"type":"document","source":{"type":"text","data":"` + strings.Repeat("the/secret", 60) + `"}}]}]}`},
		{name: "a text of Anthropic's with breaks alone", body: `{"messages":[{"content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"` + strings.Repeat(`the\nsecret\n`, 60) + `"}}]}]}`},
		{name: "where a result is from", body: `{"messages":[{"content":[{"type":"search_result","source":"` + png + `"}]}]}`},
		{
			name: "a text by one of two types", body: `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","mime_type":"text/plain","data":"AHNlY3JldA=="}}]}]}`,
			want: `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","mime_type":"text/plain","data":"\u0000secret"}}]}]}`,
		},
		{name: "bytes of no type", body: `{"messages":[{"content":[{"file":{"file_data":"AHNlY3JldA=="}}]}]}`},
		{
			name: "a text in base64",
			body: `{"messages":[{"content":[{"file":{"file_data":"` + link("text/plain", encoded) + `"}},{"file":{"file_data":"` + encoded + `"}},{"image_url":{"url":"` + link("text/plain; charset=utf-8", encoded) + `"}}]}]}`,
			want: `{"messages":[{"content":[{"file":{"file_data":"the secret"}},{"file":{"file_data":"the secret"}},{"image_url":{"url":"the secret"}}]}]}`,
		},
		{
			name: "a text in base64 as a picture",
			body: `{"messages":[{"content":[{"image_url":{"url":"` + link("image/png", encoded) + `"}},{"input_audio":{"data":"` + encoded + `"}}]}]}`,
			want: `{"messages":[{"content":[{"image_url":{"url":"the secret"}},{"input_audio":{"data":"the secret"}}]}]}`,
		},
		{
			name: "a picture of words",
			body: `{"input":[{"content":[{"image_url":"` + link("image/svg+xml", base64.StdEncoding.EncodeToString([]byte("<svg>the secret</svg>"))) + `"}]}]}`,
			want: `{"input":[{"content":[{"image_url":"<svg>the secret</svg>"}]}]}`,
		},
		{
			name: "a text of Gemini's", body: `{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"` + encoded + `"}}]}]}`,
			want: `{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"the secret"}}]}]}`,
		},
	} {
		want := tc.want
		if want == "" {
			want = tc.body
		}
		if got, err := Prompt([]byte(tc.body)); err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", tc.name, got, err, want)
		}
	}
}

// What is large and no text is cut out wherever a format has it.
func TestPromptHasNoLargeMedia(t *testing.T) {
	t.Parallel()
	large := make([]byte, 3<<20)
	for i := range large {
		large[i] = byte(i * 7)
	}
	as := func(head string) string {
		return base64.StdEncoding.EncodeToString(append([]byte(head), large...))
	}
	png, pdf, wav := as("\x89PNG\r\n\x1a\n"), as("%PDF-1.7\n"), as("RIFF\x00\x00\x00\x00WAVE")
	for _, body := range []string{
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + png + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"image_url","image_url":"data:image/png;base64,` + png + `"}]}]}`,
		`{"messages":[{"role":"tool","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + png + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,` + strings.ReplaceAll(png, "/", `\/`) + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"video_url","video_url":{"url":"data:video/mp4;base64,` + wav + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"` + wav + `","format":"wav"}}]}]}`,
		`{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"` + as("\xff\xfb") + `","format":"mp3"}}]}]}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,` + pdf + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_data":"` + pdf + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_data":"data:application/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,` + as("PK\x03\x04") + `"}}]}]}`,
		`{"messages":[{"role":"assistant","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + png + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]}]}`,
		`{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]}]}]}`,
		`{"messages":[{"content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}]}}]}]}`,
		`{"input":[{"content":[{"type":"input_image","image_url":"data:image/png;base64,` + png + `"}]}]}`,
		`{"input":[{"content":[{"type":"input_file","file_data":"data:application/pdf;base64,` + pdf + `"}]}]}`,
		`{"input":[{"type":"function_call_output","output":[{"type":"input_image","image_url":"data:image/png;base64,` + png + `"}]}]}`,
		`{"input":[{"type":"computer_call_output","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,` + png + `"}}]}`,
		`{"prompt":{"id":"p","variables":{"a":{"type":"input_image","image_url":"data:image/png;base64,` + png + `"}}}}`,
		`{"tools":[{"type":"image_generation","input_image_mask":{"image_url":"data:image/png;base64,` + png + `"}}]}`,
		`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}]}`,
		`{"contents":{"parts":{"inline_data":{"mime_type":"image/png","data":"` + png + `"}}}}`,
		`{"contents":[{"parts":[{"functionResponse":{"response":{},"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}}]}]}`,
		`{"generateContentRequest":{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}]}}`,
		`{"requests":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}}]}`,
		`{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}}`,
	} {
		if got, err := Prompt([]byte(body)); err != nil || len(got) > 300 {
			t.Errorf("of %.200s: %d bytes, %v", body, len(got), err)
		}
	}
}

// A guard edits a text as it saw it; the provider gets it as the client sent it.
func TestEditOfAnEncodedText(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte("the secret"))
	masked := base64.StdEncoding.EncodeToString([]byte("the ***"))
	for _, tc := range []struct{ name, body, patch, want string }{
		{
			name: "of a data URL", body: `{"messages":[{"content":[{"file":{"file_data":"data:text/plain;base64,` + encoded + `"}}]}]}`,
			patch: `[{"op":"replace","path":"/messages/0/content/0/file/file_data","value":"the ***"}]`,
			want:  `{"messages":[{"content":[{"file":{"file_data":"data:text/plain;base64,` + masked + `"}}]}]}`,
		},
		{
			name: "of Gemini's", body: `{"contents":[{"parts":[{"text":"a"},{"inlineData":{"mimeType":"text/plain","data":"` + encoded + `"}}]}]}`,
			patch: `[{"op":"replace","path":"/contents/0/parts/0/text","value":"b"},{"op":"add","path":"/contents/0/parts/1/inlineData/data","value":"the ***"}]`,
			want:  `{"contents":[{"parts":[{"text":"b"},{"inlineData":{"mimeType":"text/plain","data":"` + masked + `"}}]}]}`,
		},
		{
			name: "none", body: `{"messages":[{"content":"the secret"}]}`,
			patch: `[{"op":"replace","path":"/messages/0/content","value":"the ***"}]`, want: `{"messages":[{"content":"the ***"}]}`,
		},
	} {
		got, err := Patch(nil, []byte(tc.body), []byte(tc.patch), 1<<20)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got  %s, %v\nwant %s", tc.name, got, err, tc.want)
		}
	}
}

func BenchmarkPromptWithAnImage(b *testing.B) {
	body := []byte(`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoA` + strings.Repeat("AbC+", 1<<20) + `"}}]}]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := Prompt(body); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzPrompt(f *testing.F) {
	f.Add(`{"messages":[{"role":"user","content":[{"image_url":{"url":"data:x"}}]}],"input":"a"}`)
	f.Add(`{"messages":[{"content":[{"file":{"file_data":"data:text/plain;base64,aGk="}},{"source":{"type":"base64","data":"iVBORw0KGgo\\/"}}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if rawjson.NewKeys().Scan([]byte(body), 0, nil) != nil {
			return
		}
		if got, err := Prompt([]byte(body)); err == nil && got != nil && !json.Valid(got) {
			t.Fatalf("%s gives %s", body, got)
		}
	})
}

func TestPromptOfAForm(t *testing.T) {
	t.Parallel()
	const kind = "multipart/form-data; boundary=b"
	form := func(prompt string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n" + prompt + "\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"prompt\"\r\n\r\n\x00\x01\r\n--b--\r\n"
	}
	got, err := FormPrompt(kind, []byte(form("a \"b\"\r\nc")))
	if want := `{"prompt":"a \"b\"\r\nc"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	without := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--"
	if got, err := FormPrompt(kind, []byte(without)); err != nil || got != nil {
		t.Errorf("without a prompt: %s, %v", got, err)
	}
	for _, tc := range []struct{ name, body, patch, want, fails string }{
		{name: "another prompt", body: form("secret"), patch: `[{"op":"replace","path":"/prompt","value":"***"}]`, want: form("***")},
		{name: "nothing", body: form("x"), patch: `[]`, want: form("x")},
		{name: "another field", body: form("x"), patch: `[{"op":"replace","path":"/model","value":"n"}]`, fails: "only the prompt"},
		{name: "another op", body: form("x"), patch: `[{"op":"remove","path":"/prompt"}]`, fails: "only the prompt"},
		{name: "no text", body: form("x"), patch: `[{"op":"replace","path":"/prompt","value":1}]`, fails: "only the prompt"},
		{name: "no prompt", body: without, patch: `[{"op":"replace","path":"/prompt","value":"x"}]`, fails: "only the prompt"},
		{name: "no patch", body: form("x"), patch: `{}`, fails: "no array"},
		{name: "a boundary", body: form("x"), patch: `[{"op":"replace","path":"/prompt","value":"y\r\n--b--"}]`, fails: "boundary"},
	} {
		got, err := PatchForm(nil, kind, []byte(tc.body), []byte(tc.patch))
		switch {
		case tc.fails != "":
			if err == nil || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s: got %q, %v", tc.name, got, err)
			}
		case err != nil || string(got) != tc.want:
			t.Errorf("%s: got %q, %v", tc.name, got, err)
		}
	}
}

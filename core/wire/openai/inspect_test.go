package openai

import (
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
			name: "embeddings of Gemini's", body: `{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"},{"inlineData":{"data":"` + strings.Repeat("AAAA", 200) + `"}}]}}]}`,
			want: `{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"},{"inlineData":{"data":""}}]}}]}`,
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
			name: "no audio and no files", body: `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"file","file":{"file_data":"BBBB","filename":"x"}}]}]}`,
			want: `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}},{"type":"file","file":{"file_data":"","filename":"x"}}]}]}`,
		},
		{name: "images of responses", body: `{"input":[{"content":[{"type":"input_image","image_url":"data:x"}]}]}`, want: `{"input":[{"content":[{"type":"input_image","image_url":""}]}]}`},
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

func FuzzPrompt(f *testing.F) {
	f.Add(`{"messages":[{"role":"user","content":[{"image_url":{"url":"data:x"}}]}],"input":"a"}`)
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

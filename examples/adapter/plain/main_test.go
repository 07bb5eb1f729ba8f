package main

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

var channel = sdk.Channel{Name: "c", BaseURL: "http://127.0.0.1:9000"}

func TestRequest(t *testing.T) {
	p := plugintest.Start(t, ".", nil)
	got, err := p.TranslateRequest(channel, "m", `{"model":"m","stream":true,"messages":[{"role":"system","content":"Be\nkind."},{"role":"user","content":[{"type":"text","text":"Hello"}]}]}`)
	if want := "stream\nsystem \"Be\\nkind.\"\nuser \"Hello\"\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestAnswer(t *testing.T) {
	p := plugintest.Start(t, ".", nil)
	got, err := p.TranslateAnswer(channel, "m", sdk.UpstreamAnswer{Status: 200, Body: []byte("+ \"Hel\"\n+ \"lo\"\n.\n")})
	if err != nil || !strings.Contains(got, `"content":"Hello"`) || !strings.Contains(got, `"finish_reason":"stop"`) {
		t.Errorf("got %s, %v", got, err)
	}
	got, err = p.TranslateAnswer(channel, "m", sdk.UpstreamAnswer{Status: 500, Body: []byte("no \"tired\"\n")})
	if err != nil || !strings.Contains(got, `"error":{"message":"tired"`) {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err = p.TranslateAnswer(channel, "m", sdk.UpstreamAnswer{Status: 200, Body: []byte("<html>")}); err == nil {
		t.Error("a page of a proxy is an answer")
	}
}

// A stream says the same wherever it is cut.
func TestStream(t *testing.T) {
	p := plugintest.Start(t, ".", nil)
	const stream = "+ \"Hel\"\n+ \"lo\"\n.\n"
	want, err := p.TranslateStream(channel, "m", stream)
	if err != nil || len(want) != 4 || want[3] != "[DONE]" || !strings.Contains(want[0], `"content":"Hel"`) {
		t.Fatalf("got %q, %v", want, err)
	}
	for at := range stream {
		got, err := p.TranslateStream(channel, "m", stream[:at], stream[at:])
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("cut at %d: %q, %v", at, got, err)
		}
	}
}

func TestContract(t *testing.T) { plugintest.Conform(t, ".", nil) }

package bedrock

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Golden streams have a message a line: its name and its payload. An exception's
// begins with !, that of an error nobody described with ?.
func init() { wiretest.Framing = framesOf }

// The shapes are those of the Smithy model of bedrock-runtime; see doc.go.
func TestGolden(t *testing.T)                  { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T) { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)     { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                  { wiretest.Fuzz(f, Format) }

func framesOf(text []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(text)) {
		name, payload, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case !ok:
		case name[0] == '!':
			out = append(out, frame(payload, ":message-type", "exception", ":exception-type", name[1:])...)
		case name[0] == '?':
			out = append(out, frame("", ":message-type", "error", ":error-code", name[1:], ":error-message", payload)...)
		default:
			out = append(out, frame(payload, ":event-type", name, ":content-type", "application/json", ":message-type", "event")...)
		}
	}
	return out
}

// frame is a message with headers that are strings, by name and value.
func frame(payload string, headers ...string) []byte {
	var h []byte
	for i := 0; i < len(headers); i += 2 {
		h = append(append(append(h, byte(len(headers[i]))), headers[i]...), 7)
		h = append(binary.BigEndian.AppendUint16(h, uint16(len(headers[i+1]))), headers[i+1]...)
	}
	return sealed(h, payload)
}

func sealed(headers []byte, payload string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// The message is one of those that AWS publishes for its parsers, of
// github.com/awslabs/aws-c-event-stream, tests/event_stream_message_test: no
// headers, and a payload.
func TestAMessageOfAWSsOwn(t *testing.T) {
	t.Parallel()
	in := append([]byte{0, 0, 0, 0x1d, 0, 0, 0, 0, 0xfd, 0x52, 0x8c, 0x5a}, "{'foo':'bar'}"...)
	in = append(in, 0xc3, 0x65, 0x39, 0x36)
	var f frames
	var e sse.Event
	f.Feed(in)
	if !f.Next(&e) || string(e.Data) != "{'foo':'bar'}" || f.Err() != nil {
		t.Errorf("got %q, %v", e.Data, f.Err())
	}
}

func TestHeadersOfAllTypesAreRead(t *testing.T) {
	t.Parallel()
	h := []byte{1, 'a', 0, 1, 'b', 1, 1, 'c', 2, 9, 1, 'd', 3, 9, 9, 1, 'e', 4, 9, 9, 9, 9}
	h = append(append(h, 1, 'f', 5), make([]byte, 8)...)
	h = append(h, 1, 'g', 6, 0, 2, 9, 9)
	h = append(append(h, 1, 'h', 8), make([]byte, 8)...)
	h = append(append(h, 1, 'i', 9), make([]byte, 16)...)
	h = append(h, "\x0b:event-type\x07\x00\x08metadata"...)
	var f frames
	var e sse.Event
	f.Feed(sealed(h, ""))
	if !f.Next(&e) || string(e.Type) != "metadata" || string(e.Data) != "{}" {
		t.Errorf("got %q %q, %v", e.Type, e.Data, f.Err())
	}
}

func TestWhatIsNoStreamOfEvents(t *testing.T) {
	t.Parallel()
	good := frame("{}", ":event-type", "metadata")
	flipped := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	long := binary.BigEndian.AppendUint32(nil, sse.EventLimit+1)
	long = binary.BigEndian.AppendUint32(long, 0)
	long = binary.BigEndian.AppendUint32(long, crc32.ChecksumIEEE(long))
	short := binary.BigEndian.AppendUint32(nil, 15)
	short = binary.BigEndian.AppendUint32(short, 0)
	short = binary.BigEndian.AppendUint32(short, crc32.ChecksumIEEE(short))
	for _, tc := range []struct {
		name string
		in   []byte
		want error
	}{
		{"server-sent events", []byte("data: {\"a\":1}\n\n"), errSum},
		{"a damaged length", flipped(3), errSum},
		{"a damaged header", flipped(14), errSum},
		{"a damaged payload", flipped(len(good) - 6), errSum},
		{"a message over the limit", long, errLong},
		{"a length less than a message has", short, errFrame},
		{"a header that ends in its name", sealed([]byte{9, 'a'}, ""), errFrame},
		{"a header of an unknown type", sealed([]byte{1, 'a', 10}, ""), errFrame},
		{"a header longer than the headers", sealed([]byte{1, 'a', 7, 0, 9, 'x'}, ""), errFrame},
		{"a string without its length", sealed([]byte{1, 'a', 7, 0}, ""), errFrame},
		{"a part of a message", good[:len(good)-1], nil},
	} {
		var f frames
		var e sse.Event
		f.Feed(tc.in)
		if f.Next(&e) || f.Err() != tc.want || f.Flush(&e) {
			t.Errorf("%s: got %q, %v", tc.name, e.Raw, f.Err())
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data string
		want       wire.Class
	}{
		{"messageStart", `{"role":"assistant"}`, 0},
		{"contentBlockStart", `{"start":{"toolUse":{"name":"f"}}}`, wire.ToolCall},
		{"contentBlockDelta", `{"delta":{"text":"a"}}`, wire.Text},
		{"contentBlockDelta", `{"delta":{"toolUse":{"input":"a"}}}`, wire.ToolCall},
		{"contentBlockDelta", `{"delta":{"reasoningContent":{"text":"a"}}}`, wire.Reasoning},
		{"contentBlockDelta", `{"delta":{"image":{}}}`, wire.Media},
		{"contentBlockDelta", `{}`, 0},
		{"messageStop", `{"stopReason":"end_turn"}`, wire.Finished},
		{"metadata", `{"usage":{"inputTokens":1}}`, wire.HasUsage | wire.Done},
		{"throttlingException", `{"message":"x"}`, wire.Failed},
		{"error", `{"message":"x"}`, wire.Failed},
	} {
		if got := Format.Classify(sdk.Chat, &sse.Event{Type: []byte(tc.name), Data: []byte(tc.data)}); got != tc.want {
			t.Errorf("%s %s is %b, want %b", tc.name, tc.data, got, tc.want)
		}
	}
	var u wire.Usage
	Format.Usage(&sse.Event{Data: []byte(`{"usage":{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":4}}`)}, &u)
	if u != (wire.Usage{Input: 5, Output: 2, Total: 7, Cached: 4}) {
		t.Errorf("usage %+v", u)
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	r, err := Format.Whole(sdk.Chat, []byte(`{"output":{"message":{"content":[]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2}}`))
	if err != nil || r.Error != nil || r.Usage.Total != 3 || r.Finish[0] != "end_turn" {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = Format.Whole(sdk.Chat, []byte(`{"message":"no"}`))
	if err != nil || r.Error == nil || r.Error.Message != "no" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err = Format.Whole(sdk.Chat, []byte(`no`)); err == nil {
		t.Error("no JSON is an answer")
	}
}

// Names and words are those of Bedrock's and AWS's references; see [exceptions].
func TestErrorsSayWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, kind, body string
		status           int
		hint             wire.Hint
		said             string
	}{
		{name: "a rate", status: 429, kind: "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.availability/", body: `{"message":"Too many requests, please wait before trying again."}`, hint: wire.RateLimited, said: "Too many requests, please wait before trying again."},
		{name: "a quota of the service", status: 400, kind: "ServiceQuotaExceededException", body: `{"message":"x"}`, hint: wire.RateLimited, said: "x"},
		{name: "a model that is being loaded", status: 429, kind: "ModelNotReadyException", body: `{"message":"x"}`, hint: wire.Overloaded, said: "x"},
		{name: "a model that failed", status: 424, kind: "ModelErrorException", body: `{"message":"x","originalStatusCode":500}`, hint: wire.Overloaded, said: "x"},
		{name: "a model that is slow", status: 408, kind: "ModelTimeoutException", body: `{"message":"x"}`, hint: wire.Overloaded, said: "x"},
		{name: "an unknown model", status: 400, kind: "ValidationException", body: `{"message":"The provided model identifier is invalid."}`, hint: wire.ModelMissing, said: "The provided model identifier is invalid."},
		{name: "a model that wants a profile", status: 400, kind: "ValidationException", body: `{"message":"Invocation of model ID a with on-demand throughput isn’t supported."}`, hint: wire.ModelMissing, said: "Invocation of model ID a with on-demand throughput isn’t supported."},
		{name: "a model without access", status: 403, kind: "AccessDeniedException", body: `{"message":"You don't have access to the model with the specified model ID."}`, hint: wire.ModelMissing, said: "You don't have access to the model with the specified model ID."},
		{name: "no right", status: 403, kind: "AccessDeniedException", body: `{"Message":"User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel"}`, hint: wire.NoHint, said: "User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel"},
		{name: "a session that is over", status: 403, kind: "ExpiredTokenException", body: `{"message":"The security token included in the request is expired"}`, hint: wire.BadKey, said: "The security token included in the request is expired"},
		{name: "too long", status: 400, kind: "ValidationException", body: `{"message":"Input is too long for requested model."}`, hint: wire.ContextTooLong, said: "Input is too long for requested model."},
		{name: "a mistake", status: 400, kind: "ValidationException", body: `{"message":"messages.0: x"}`, hint: wire.NoHint, said: "messages.0: x"},
		{name: "a kind in the body", status: 404, body: `{"__type":"com.amazon.coral.service#ResourceNotFoundException","message":"x"}`, hint: wire.ModelMissing, said: "x"},
		{name: "a page of a proxy", status: 502, body: `<html>`, hint: wire.NoHint},
	} {
		f := Format.Failure(tc.status, http.Header{"X-Amzn-Errortype": {tc.kind}}, []byte(tc.body))
		if f.Hint != tc.hint || f.Message != tc.said {
			t.Errorf("%s: got %v, %q", tc.name, f.Hint, f.Message)
		}
	}
}

// 1 KB in, as the hub has it, and an answer out.
func BenchmarkRequestAndAnswer(b *testing.B) {
	q := wiretest.Hub(b, []byte(`{"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"`+strings.Repeat("word ", 170)+`"}]}`))
	answer := wiretest.Input(b, "testdata/answer/thought-and-calls.txt")
	out := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		warnings, refused := Format.Check(q)
		if refused != nil {
			b.Fatal(refused)
		}
		var err error
		if out, err = outgoing(out[:0], q, &warnings); err != nil {
			b.Fatal(err)
		}
		if _, err = readAnswer(answer); err != nil {
			b.Fatal(err)
		}
	}
}

// A message of a stream, checksums included, to the hub's chunk.
func BenchmarkChunk(b *testing.B) {
	in := frame(`{"contentBlockIndex":0,"delta":{"text":" of the kind"},"p":"abcdefghijklm"}`,
		":event-type", "contentBlockDelta", ":content-type", "application/json", ":message-type", "event")
	var f frames
	var r reader
	var events hub.Events
	b.ReportAllocs()
	for b.Loop() {
		f.Feed(in)
		for e := (sse.Event{}); f.Next(&e); {
			events.Reset()
			if err := r.Event(&events, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
}

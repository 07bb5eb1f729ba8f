package sse_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

type event struct{ raw, typ, data string }

// split feeds the stream cut at the given places and copies the events out.
func split(t testing.TB, stream string, cuts ...int) []event {
	t.Helper()
	var s sse.Splitter
	var e sse.Event
	var got []event
	note := func() {
		ev := event{string(e.Raw), string(e.Type), string(e.Data)}
		if e.Data == nil {
			ev.data = "none"
		}
		got = append(got, ev)
	}
	for from := 0; ; {
		to := len(stream)
		if len(cuts) > 0 {
			to, cuts = cuts[0], cuts[1:]
		}
		piece := []byte(stream[from:to])
		s.Feed(piece)
		for s.Next(&e) {
			note()
		}
		for i := range piece { // the caller's buffer is used again
			piece[i] = '#'
		}
		if from = to; from == len(stream) {
			break
		}
	}
	if s.Flush(&e) {
		note()
	}
	if s.Flush(&e) || s.Next(&e) || s.Err() != nil {
		t.Fatalf("events after the end, or error: %v", s.Err())
	}
	return got
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		stream string
		want   []event
	}{
		{name: "nothing"},
		{name: "LF", stream: "data: a\n\ndata: b\n\n", want: []event{{"data: a\n\n", "", "a"}, {"data: b\n\n", "", "b"}}},
		{name: "CRLF", stream: "event: x\r\ndata: a\r\n\r\ndata:b\r\n\r\n", want: []event{{"event: x\r\ndata: a\r\n\r\n", "x", "a"}, {"data:b\r\n\r\n", "", "b"}}},
		{name: "CR", stream: "data: a\r\rdata: b\r\r", want: []event{{"data: a\r\r", "", "a"}, {"data: b\r\r", "", "b"}}},
		{name: "mixed", stream: "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", want: []event{{"data: a\r\n\n", "", "a"}, {"data: b\n\r\n", "", "b"}, {"data: c\r\r\n", "", "c"}}},
		{name: "byte order mark", stream: "\ufeffdata: a\n\n\ufeffdata: b\n\n", want: []event{{"\ufeffdata: a\n\n", "", "a"}, {"\ufeffdata: b\n\n", "", "none"}}},
		{name: "byte order mark, then a blank line", stream: "\ufeff\ndata: a\n\n", want: []event{{"\ufeff\n", "", "none"}, {"data: a\n\n", "", "a"}}},
		{name: "comments", stream: ": ping\n\n:\ndata: a\n\n", want: []event{{": ping\n\n", "", "none"}, {":\ndata: a\n\n", "", "a"}}},
		{name: "several lines of data", stream: "data: a\nevent: x\ndata:  b\ndata\ndata:\n\n", want: []event{{"data: a\nevent: x\ndata:  b\ndata\ndata:\n\n", "x", "a\n b\n\n"}}},
		{name: "empty data", stream: "data\n\ndata:\n\n", want: []event{{"data\n\n", "", ""}, {"data:\n\n", "", ""}}},
		{name: "blank lines", stream: "\n\r\ndata: a\n\n\n", want: []event{{"\n", "", "none"}, {"\r\n", "", "none"}, {"data: a\n\n", "", "a"}, {"\n", "", "none"}}},
		{name: "other fields", stream: "id: 1\nretry: 5\ndatum: x\ndata: a\n\n", want: []event{{"id: 1\nretry: 5\ndatum: x\ndata: a\n\n", "", "a"}}},
		{name: "last blank line missing", stream: "data: a\n\ndata: [DONE]\n", want: []event{{"data: a\n\n", "", "a"}, {"data: [DONE]\n", "", "[DONE]"}}},
		{name: "cut off", stream: "data: a\n\ndata: {\"b", want: []event{{"data: a\n\n", "", "a"}, {"data: {\"b", "", "{\"b"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := split(t, tc.stream); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Fatalf("got  %q\nwant %q", got, tc.want)
			}
			var every []int
			for i := range len(tc.stream) + 1 {
				every = append(every, i)
				for j := i; j <= len(tc.stream); j++ {
					if got := split(t, tc.stream, i, j); fmt.Sprint(got) != fmt.Sprint(tc.want) {
						t.Fatalf("split at %d and %d: got  %q\nwant %q", i, j, got, tc.want)
					}
				}
			}
			if got := split(t, tc.stream, every...); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Fatalf("byte by byte: got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := sse.Splitter{Limit: 100}
	var e sse.Event
	s.Feed([]byte(strings.Repeat("data: short\n\n", 50)))
	n := 0
	for s.Next(&e) {
		n++
	}
	if n != 50 || s.Err() != nil {
		t.Fatalf("%d events, %v: a long piece of short events is fine", n, s.Err())
	}
	fed := 0
	for s.Err() == nil && fed < 1000 {
		s.Feed([]byte("0123456789"))
		fed += 10
		if s.Next(&e) {
			t.Fatalf("event %q", e.Raw)
		}
	}
	if s.Err() != sse.ErrTooLong || fed != 110 {
		t.Errorf("after %d bytes: %v", fed, s.Err())
	}
	s.Feed([]byte("\n\ndata: a\n\n"))
	if s.Next(&e) || s.Flush(&e) {
		t.Error("an event after the error")
	}
	whole := sse.Splitter{Limit: 10}
	whole.Feed([]byte("data: 0123456789\n\n"))
	if whole.Next(&e) || whole.Err() != sse.ErrTooLong {
		t.Errorf("an event over the limit in one piece: %v", whole.Err())
	}
}

func TestLargeEventIsTakenInLinearTime(t *testing.T) {
	t.Parallel()
	var s sse.Splitter
	var e sse.Event
	piece := bytes.Repeat([]byte("x"), 512)
	s.Feed([]byte("data: "))
	total := 6
	for ; total < sse.EventLimit-1024; total += len(piece) {
		if s.Next(&e) {
			t.Fatal("an event without an end")
		}
		s.Feed(piece)
	}
	if s.Next(&e) {
		t.Fatal("an event without an end")
	}
	s.Feed([]byte("\n\n"))
	if !s.Next(&e) || len(e.Raw) != total+2 || s.Next(&e) {
		t.Fatalf("%d bytes, want %d", len(e.Raw), total+2)
	}
}

// reference reads a whole stream the plain way.
func reference(stream string) []event {
	var got []event
	cur, seen, first := event{data: "none"}, false, true
	for len(stream) > 0 {
		n := strings.IndexAny(stream, "\r\n")
		end := n + 1
		switch {
		case n < 0:
			n, end = len(stream), len(stream)
		case strings.HasPrefix(stream[n:], "\r\n"):
			end = n + 2
		}
		line, complete := stream[:n], end > n
		cur.raw, seen = cur.raw+stream[:end], true
		stream = stream[end:]
		if first {
			line, first = strings.TrimPrefix(line, "\ufeff"), false
		}
		if line == "" && complete {
			got = append(got, cur)
			cur, seen = event{data: "none"}, false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			cur.typ = value
		case name == "data" && cur.data == "none":
			cur.data = value
		case name == "data":
			cur.data += "\n" + value
		}
	}
	if seen {
		got = append(got, cur)
	}
	return got
}

func FuzzSplitter(f *testing.F) {
	for _, s := range []string{
		"data: a\n\ndata: b\n\n", "event: x\r\ndata: a\r\n\r\n", "data: a\r\rdata: b\r\n\r", "\ufeff\r\n:c\ndata\ndata:x\n\n",
	} {
		f.Add(s, uint16(3), uint16(7))
	}
	f.Fuzz(func(t *testing.T, stream string, i, j uint16) {
		if strings.Contains(stream, "none") { // the tests' own word for no data
			return
		}
		a := min(int(i), len(stream))
		b := max(a, min(int(j), len(stream)))
		want := reference(stream)
		if got := split(t, stream); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("%q\ngot  %q\nwant %q", stream, got, want)
		}
		if got := split(t, stream, a, b); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("%q at %d, %d\ngot  %q\nwant %q", stream, a, b, got, want)
		}
	})
}

func BenchmarkSplitter(b *testing.B) {
	one := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	for _, bc := range []struct {
		name string
		cut  int
	}{{"whole", len(one)}, {"halved", len(one) / 2}} {
		b.Run(bc.name, func(b *testing.B) {
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			var s sse.Splitter
			var e sse.Event
			first, second := []byte(one[:bc.cut]), []byte(one[bc.cut:])
			for b.Loop() {
				n := 0
				for _, piece := range [][]byte{first, second} {
					s.Feed(piece)
					for s.Next(&e) {
						n++
					}
				}
				if n != 1 {
					b.Fatalf("%d events", n)
				}
			}
		})
	}
}

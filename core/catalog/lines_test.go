package catalog

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// buffer is a log for many writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func readLines(t testing.TB, in string) (log string, l *lines) {
	t.Helper()
	var b buffer
	l = newLines(hclog.New(&hclog.LoggerOptions{Output: &b, Level: hclog.Info, DisableTime: true}))
	l.read(bufio.NewReaderSize(strings.NewReader(in), outputBuffer))
	return b.String(), l
}

func TestLinesAreLoggedAtTheirLevel(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*outputBuffer)
	for name, c := range map[string]struct{ in, want string }{
		"hclog":                  {in: `{"@level":"warn","@message":"slow","@timestamp":"now","b":2,"a":"x y"}`, want: "[WARN]  slow: a=\"x y\" b=2\n"},
		"below the level":        {in: `{"@level":"debug","@message":"detail"}`, want: ""},
		"plain":                  {in: "hello", want: "[INFO]  hello\n"},
		"no newline, CRLF":       {in: "one\r\n\r\ntwo", want: "[INFO]  one\n[INFO]  two\n"},
		"message is no text":     {in: `{"@level":"warn","@message":1}`, want: "[INFO]  {\"@level\":\"warn\",\"@message\":1}\n"},
		"time is no text":        {in: `{"@level":"warn","@message":"m","@timestamp":1}`, want: "[WARN]  m\n"},
		"level is none":          {in: `{"@level":"loud","@message":"m"}`, want: "[INFO]  {\"@level\":\"loud\",\"@message\":\"m\"}\n"},
		"other JSON":             {in: `{"a":1}`, want: "[INFO]  {\"a\":1}\n"},
		"broken JSON":            {in: `{"a":`, want: "[INFO]  {\"a\":\n"},
		"no UTF-8":               {in: "a\xffb", want: "[INFO]  a\uFFFDb\n"},
		"a panic is an error":    {in: "panic: boom\n\ngoroutine 1 [running]:\n", want: "[ERROR] panic: boom\n[ERROR] goroutine 1 [running]:\n"},
		"a long line, then on":   {in: long + "\nnext\n", want: "[INFO]  " + long[:maxLineBytes] + " ...\n[INFO]  next\n"},
		"a long line at the end": {in: long, want: "[INFO]  " + long[:maxLineBytes] + " ...\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := readLines(t, c.in); got != c.want {
				t.Errorf("logged %.200q\nwant   %.200q", got, c.want)
			}
		})
	}
}

func TestFloodIsLimitedAndCounted(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"plain": "flood\n",
		"hclog": `{"@level":"error","@message":"flood"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 50_000
			got, _ := readLines(t, strings.Repeat(line, n))
			logged := strings.Count(got, " flood\n")
			if logged < outputLinesBurst || logged > outputLinesBurst+20*outputLines {
				t.Errorf("%d of %d lines were logged", logged, n)
			}
			dropped := 0
			for line := range strings.Lines(got) {
				var d int
				if _, after, ok := strings.Cut(line, "dropped_lines="); ok {
					if _, err := fmt.Sscan(after, &d); err != nil {
						t.Fatal(err)
					}
				}
				dropped += d
			}
			if logged+dropped != n {
				t.Errorf("%d lines logged, %d reported as dropped: not %d", logged, dropped, n)
			}
		})
	}
}

func TestCauseOfAnEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                {in: "", want: ""},
		"the last words":         {in: "one\ntwo\n", want: "two"},
		"an error counts":        {in: `{"@level":"error","@message":"no disk"}` + "\n" + `{"@level":"info","@message":"bye"}`, want: "no disk"},
		"a panic, not its trace": {in: "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", want: "panic: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, l := readLines(t, c.in); l.cause() != c.want {
				t.Errorf("cause is %q, want %q", l.cause(), c.want)
			}
		})
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"@level":"warn","@message":1}` + "\n"))
	f.Add([]byte("panic: x\n\n{\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		l := newLines(hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Trace}))
		l.read(bufio.NewReaderSize(bytes.NewReader(in), 64))
	})
}

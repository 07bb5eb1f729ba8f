package wall

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

type kind string

const (
	status    kind = "status"
	quota     kind = "quota"
	silent    kind = "silent"
	latency   kind = "latency"
	garbage   kind = "garbage"
	empty     kind = "empty"
	html      kind = "html"
	errorJSON kind = "error json"
	reset     kind = "reset"
	resetMid  kind = "reset mid-stream"
	endMid    kind = "end mid-stream"
	closeMid  kind = "close mid-stream"
	stallMid  kind = "stall mid-stream"
	errorMid  kind = "error event"
	pauseMid  kind = "pause mid-stream"
	tornMid   kind = "torn event"
	endless   kind = "no [DONE]"
)

// Fault is one way to misbehave, and when: by default at every request, whatever its path and model.
//
// Those that end in After strike when a stream has sent that many events, at the latest before its last one.
// Of a chat stream the first event is the role, the second the first content; 0 is after the head of the answer.
// On an answer that is no stream they strike when half of it is sent.
type Fault struct {
	kind       kind
	code       int
	retryAfter string
	refusal    *refusal
	delay      time.Duration
	after      int

	path    string
	model   string
	prefill bool
	every   int
	times   int
}

// Status answers with an error status, and with what the real API says in such a case.
func Status(code int) Fault { return Fault{kind: status, code: code} }

// Refuse answers with an error status in words of the test's own; the code says what is wrong, such as
// context_length_exceeded.
func Refuse(code int, why, message string) Fault {
	return Fault{kind: status, code: code, refusal: &refusal{status: code, kind: invalid, code: why, message: message}}
}

// Quota answers 429 because the account is empty (code insufficient_quota), which no retry mends.
func Quota() Fault { return Fault{kind: quota} }

// Silent takes the request and never answers.
func Silent() Fault { return Fault{kind: silent} }

// Reset resets the connection before the first byte of an answer.
func Reset() Fault { return Fault{kind: reset} }

// ResetAfter resets the connection after n events.
func ResetAfter(n int) Fault { return Fault{kind: resetMid, after: n} }

// EndAfter ends the body properly after n events, but without a finish event and without [DONE].
func EndAfter(n int) Fault { return Fault{kind: endMid, after: n} }

// CloseAfter closes the connection after n events, so that the body lacks its end.
func CloseAfter(n int) Fault { return Fault{kind: closeMid, after: n} }

// StallAfter sends nothing more after n events, and keeps the connection.
func StallAfter(n int) Fault { return Fault{kind: stallMid, after: n} }

// ErrorAfter sends an error event after n events, and ends the stream; with 0 it is the first event of a 200.
func ErrorAfter(n int) Fault { return Fault{kind: errorMid, after: n} }

// PauseAfter sends nothing for a time after n events, and then goes on as if nothing had been.
func PauseAfter(n int, d time.Duration) Fault { return Fault{kind: pauseMid, after: n, delay: d} }

// TornAfter sends an event whose JSON is torn off after n events, and then goes on as if nothing had been; an answer
// that is no stream ends torn.
func TornAfter(n int) Fault { return Fault{kind: tornMid, after: n} }

// NoDone leaves out the [DONE] behind a complete stream. Other answers are as they should be.
func NoDone() Fault { return Fault{kind: endless} }

// Latency waits before it answers. Other faults may strike too.
func Latency(d time.Duration) Fault { return Fault{kind: latency, delay: d} }

// Garbage answers 200 with the right content type and a body that can't be read.
func Garbage() Fault { return Fault{kind: garbage} }

// Empty answers 200 with no body.
func Empty() Fault { return Fault{kind: empty} }

// HTML answers 200 with a web page, as captive portals and proxies do.
func HTML() Fault { return Fault{kind: html} }

// ErrorJSON answers 200 with an error object.
func ErrorJSON() Fault { return Fault{kind: errorJSON} }

// RetryAfter adds a retry-after header, in seconds or as a date, to [Status] and [Quota].
func (f Fault) RetryAfter(value string) Fault { f.retryAfter = value; return f }

// On strikes only on paths that begin so, such as "/v1/chat".
func (f Fault) On(path string) Fault { f.path = path; return f }

// ForModel strikes only requests that name this model.
func (f Fault) ForModel(name string) Fault { f.model = name; return f }

// OnPrefill strikes only chats whose last message is the assistant's: a beginning that the model is to go on with.
func (f Fault) OnPrefill() Fault { f.prefill = true; return f }

// Every strikes only every n-th request that it could strike: with 3, the third, the sixth ...
func (f Fault) Every(n int) Fault { f.every = n; return f }

// Times strikes so often and then no more.
func (f Fault) Times(n int) Fault { f.times = n; return f }

func (f Fault) String() string {
	switch f.kind {
	case status:
		return fmt.Sprintf("status %d", f.code)
	case latency:
		return "latency " + f.delay.String()
	}
	return string(f.kind)
}

// armed is a fault and its count.
type armed struct {
	Fault
	seen   atomic.Int64
	struck atomic.Int64
}

// Break replaces the faults of the wall. The first that is due strikes; latencies let the others have their turn.
func (w *Wall) Break(faults ...Fault) {
	list := make([]*armed, len(faults))
	for i, f := range faults {
		list[i] = &armed{Fault: f}
	}
	w.faults.Store(&list)
}

// Mend takes all faults away. Answers that are silent or stalled already stay so.
func (w *Wall) Mend() { w.faults.Store(nil) }

// due finds the fault that strikes this request, after the latencies that it meets on the way.
// It is not ok when nobody is left to answer after these.
func (w *Wall) due(x *exchange) (f *armed, ok bool) {
	list := w.faults.Load()
	if list == nil {
		return nil, true
	}
	for _, f := range *list {
		if !f.takes(x) {
			continue
		}
		if f.kind != latency {
			return f, true
		}
		w.journal.struck(x.record, f.String())
		if !x.sleep(f.delay) {
			return nil, false
		}
	}
	return nil, true
}

func (f *armed) takes(x *exchange) bool {
	if f.model != "" && f.model != x.model || !strings.HasPrefix(x.request.URL.Path, f.path) {
		return false
	}
	if f.prefill && !x.prefilled() {
		return false
	}
	if n := f.seen.Add(1); f.every > 1 && n%int64(f.every) != 0 {
		return false
	}
	return f.times == 0 || f.struck.Add(1) <= int64(f.times)
}

package wiretest

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// BenchWhole measures a request of 1 KB on its way to a format's provider, and the
// whole answer in a golden file on its way back.
func BenchWhole(b *testing.B, f *hub.Format, answer string) {
	q := Hub(b, []byte(`{"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"`+strings.Repeat("word ", 190)+`"}]}`))
	said := Input(b, answer)
	out := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		warnings, refused := f.Check(q)
		if refused != nil {
			b.Fatal(refused)
		}
		var err error
		if out, err = f.Outgoing(out[:0], q, &warnings); err != nil {
			b.Fatal(err)
		}
		if _, err = f.Out.Response(said); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchEvent measures one event of a provider's stream, to the hub's.
func BenchEvent(b *testing.B, f *hub.Format, event string) {
	e := sse.Event{Data: []byte(event)}
	r := f.Out.Reader(nil)
	var out hub.Events
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := r.Event(&out, &e); err != nil {
			b.Fatal(err)
		}
	}
}

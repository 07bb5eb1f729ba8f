package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	w := rawjson.Object([]byte(`[0,`))
	w.TextIf("absent", nil)
	w.RawIf("absent", nil)
	w.Text("empty", nil)
	w.TextIf("text", []byte(`a\n`))
	w.Plain("plain", "a\n\"b\"")
	w.Raw("raw", []byte(`{"a":[1]}`))
	w.RawIf("given", []byte("null"))
	w.Field("odd \"name\"", []byte("true"))
	w.Int("int", -7)
	w.Key("list")
	w.Put("[")
	for _, s := range []string{"x", "y"} {
		w.Comma()
		w.Quote([]byte(s))
	}
	w.Comma()
	w.Put(`{"in":[{`)
	w.Int("n", 1)
	w.Put("}]}]}]")
	const want = `[0,{"empty":"","text":"a\n","plain":"a\n\"b\"","raw":{"a":[1]},"given":null,"odd \"name\"":true,"int":-7,` +
		`"list":["x","y",{"in":[{"n":1}]}]}]`
	if string(w.Dst) != want || !json.Valid(w.Dst) {
		t.Errorf("wrote\n%s, want\n%s", w.Dst, want)
	}
}

func TestWriterOfFieldsAlone(t *testing.T) {
	t.Parallel()
	var w rawjson.Writer
	w.Text("a", []byte("b"))
	w.Int("c", 1)
	if got := string(w.Dst); got != `"a":"b","c":1` {
		t.Errorf("wrote %s", got)
	}
}

func TestWriterAllocatesNothingOfItsOwn(t *testing.T) {
	dst := make([]byte, 0, 256)
	text, value := []byte("text"), []byte("[1,2]")
	if n := testing.AllocsPerRun(100, func() {
		w := rawjson.Object(dst)
		w.Text("text", text)
		w.Plain("plain", "a\nb")
		w.Raw("raw", value)
		w.Field("field", value)
		w.Int("int", 12345)
		w.Put("}")
		dst = w.Dst[:0]
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package pipeline

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// asking is a pipeline of one cache step, and its background.
func asking(t *testing.T, c *cache, change func(*config.Step)) *Pipeline {
	t.Helper()
	r := newRig("a")
	r.cache = c
	step := answersStep()
	if change != nil {
		change(step)
	}
	p := r.pipeline(t, step)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	p.Background(ctx)
	synctest.Wait()
	return p
}

func bodied(body string) *Request {
	q := request()
	q.Body, q.Header = []byte(body), http.Header{}
	return q
}

func put(k *Keep, contentType, body string) {
	k.Put(&Answer{ContentType: contentType, Channel: "a", Model: "m", Body: []byte(body)})
}

// stored lets an answer be stored, as the server does.
func stored(t *testing.T, p *Pipeline, q *Request) {
	t.Helper()
	v := p.Run(context.Background(), q)
	if v.Cache != "miss" || v.Keep == nil {
		t.Fatalf("cache %q, keep %v", v.Cache, v.Keep)
	}
	put(v.Keep, "application/json", `{"answer":1}`)
	synctest.Wait()
}

func TestAnAnswerIsKeptAndFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(q *Request)
		want   string
	}{
		{name: "the same", change: func(*Request) {}, want: "hit"},
		{name: "what does not matter", change: func(q *Request) { q.Facts.Region = "eu" }, want: "hit"},
		{name: "another caller", change: func(q *Request) { q.Facts.Key = "them" }, want: "miss"},
		{name: "another body", change: func(q *Request) { q.Body = []byte(`{"model":"n"}`) }, want: "miss"},
		{name: "another endpoint", change: func(q *Request) { q.Facts.Endpoint = sdk.Completions }, want: "miss"},
		{name: "no-store", change: func(q *Request) { q.Header.Set("Cache-Control", "No-Store") }, want: "bypass"},
		{name: "no-cache", change: func(q *Request) { q.Header.Set("Cache-Control", "No-Cache") }, want: "miss"},
		{name: "not older than nothing", change: func(q *Request) { q.Header.Set("Cache-Control", "max-age=0") }, want: "miss"},
		{name: "an age that is no number", change: func(q *Request) { q.Header.Set("Cache-Control", "max-age=soon") }, want: "miss"},
		{name: "young enough", change: func(q *Request) { q.Header.Set("Cache-Control", `private, max-age="10"`) }, want: "hit"},
		{name: "the second line counts", change: func(q *Request) { q.Header["Cache-Control"] = []string{"max-age=10", "no-store"} }, want: "bypass"},
		{name: "a ttl of its own", change: func(q *Request) { q.Header.Set(CacheTTLHeader, "5m") }, want: "hit"},
		{name: "no ttl", change: func(q *Request) { q.Header.Set(CacheTTLHeader, "0") }, want: "bypass"},
		{name: "another beta", change: func(q *Request) { q.Header.Set("OpenAI-Beta", "x") }, want: "miss"},
		{name: "never cached", change: func(q *Request) { q.Facts.Endpoint = sdk.Responses }, want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &cache{}
				p := asking(t, c, nil)
				first := bodied(`{"model":"m"}`)
				first.Facts.Key = "us"
				stored(t, p, first)
				if c.gets.Load() != 0 {
					t.Error("the plugin was asked about a key that nobody stored")
				}
				q := bodied(`{"model":"m"}`)
				q.Facts.Key = "us"
				tt.change(q)
				v := p.Run(context.Background(), q)
				if v.Cache != tt.want {
					t.Fatalf("cache %q, want %q", v.Cache, tt.want)
				}
				if hit := v.Reply != nil; hit != (tt.want == "hit") {
					t.Fatalf("reply %v", v.Reply)
				}
				if v.Reply != nil && (v.Reply.ContentType != "application/json" || string(v.Reply.Body) != `{"answer":1}` || v.Reply.Channel != "a" || v.Reply.Model != "m" || v.Keep != nil) {
					t.Errorf("replied %+v", v.Reply)
				}
				if keeps := v.Keep != nil; keeps != (tt.want == "miss") {
					t.Errorf("keeps %t", keeps)
				}
			})
		})
	}
}

func TestAnAnswerEndsWithItsTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		p := asking(t, c, nil)
		stored(t, p, bodied("x"))
		time.Sleep(time.Hour)
		if v := p.Run(context.Background(), bodied("x")); v.Cache != "miss" || c.gets.Load() != 0 {
			t.Errorf("after its ttl: %q", v.Cache)
		}
		time.Sleep(sweepEvery)
		synctest.Wait()
		if n := indexed(p); n != 0 {
			t.Errorf("%d keys left in the index", n)
		}
	})
}

func indexed(p *Pipeline) int {
	return p.steps[0].step.(*answers).index.len()
}

func TestWithoutATTLNothingIsHashed(t *testing.T) {
	t.Parallel()
	r := newRig("a")
	r.cache = &cache{}
	step := answersStep()
	step.TTL = 0
	p := r.pipeline(t, step)
	q := bodied(strings.Repeat("x", 1<<20))
	ctx := context.Background()
	if v := p.Run(ctx, q); v.Cache != "" || v.Keep != nil {
		t.Errorf("cache %q", v.Cache)
	}
	best := time.Hour // a megabyte's hash takes a millisecond, at best
	for range 100 {
		begin := time.Now()
		p.Run(ctx, q)
		best = min(best, time.Since(begin))
	}
	if best > 100*time.Microsecond {
		t.Errorf("a step that is off takes %s", best)
	}
	var none *Keep
	put(none, "text/plain", "") // what the server does with every answer
}

func TestAnAnswerThatIsTooLongIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		p := asking(t, c, func(s *config.Step) { s.MaxAnswer = 5 })
		k := p.Run(context.Background(), bodied("x")).Keep
		if k.MaxBytes != 5 {
			t.Errorf("says %d bytes", k.MaxBytes)
		}
		put(k, "text/plain", "123456")
		synctest.Wait()
		if c.puts.Load() != 0 {
			t.Error("kept")
		}
		put(k, "text/plain", "12345")
		synctest.Wait()
		if c.puts.Load() != 1 {
			t.Error("not kept")
		}
	})
}

func TestTheBodyIsCopied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := asking(t, &cache{}, nil)
		body := []byte("answer")
		p.Run(context.Background(), bodied("x")).Keep.Put(&Answer{ContentType: "text/plain", Body: body})
		copy(body, "zzzzzz")
		synctest.Wait()
		if v := p.Run(context.Background(), bodied("x")); string(v.Reply.Body) != "answer" {
			t.Errorf("kept %q", v.Reply.Body)
		}
	})
}

func TestACacheThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, reject := range []bool{false, true} {
			c := &cache{}
			p := asking(t, c, func(s *config.Step) {
				if reject {
					s.OnError = config.OnErrorReject
				}
			})
			stored(t, p, bodied("x"))
			c.fail(errors.New("down"))
			v := p.Run(context.Background(), bodied("x"))
			if rejected := v.Reject != nil; rejected != reject || v.Reply != nil || !reject && v.Cache != "miss" {
				t.Errorf("reject %t: %q, %v", reject, v.Cache, v.Reject)
			}
			// What was not written is not in the index.
			put(p.Run(context.Background(), bodied("y")).Keep, "text/plain", "1")
			time.Sleep(keepTries * keepRetry)
			synctest.Wait()
			if n := indexed(p); n != 1 {
				t.Errorf("%d keys in the index, want the first", n)
			}
			if v := p.Run(context.Background(), bodied("y")); v.Reject != nil || v.Cache != "miss" {
				t.Errorf("one that was not stored: %q, %v", v.Cache, v.Reject)
			}
		}
	})
}

func TestAnAnswerThatIsGoneOrDamagedIsAMiss(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"gone", "", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x01\x02\x09json", "\x02\x02\x00\x00\x00"} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &cache{}
				p := asking(t, c, func(s *config.Step) { s.OnError = config.OnErrorReject })
				stored(t, p, bodied("x"))
				c.mu.Lock()
				for k, e := range c.entries {
					e.Value = []byte(damage)
					c.entries[k] = e
					if damage == "gone" {
						delete(c.entries, k)
					}
				}
				c.mu.Unlock()
				for range 2 { // once by the index, once without
					v := p.Run(context.Background(), bodied("x"))
					if v.Cache != "miss" || v.Reject != nil || v.Keep == nil {
						t.Errorf("cache %q, %v", v.Cache, v.Reject)
					}
				}
				if n := c.gets.Load(); n != 1 || indexed(p) != 0 {
					t.Errorf("asked %d times for what is no answer", n)
				}
			})
		})
	}
}

func TestTheIndexIsReadAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		p := asking(t, c, nil)
		for _, body := range []string{"x", "y", "z"} {
			stored(t, p, bodied(body))
		}
		// The next one begins while the plugin is not there yet.
		c.fail(errors.New("starting"))
		next := asking(t, c, nil)
		if v := next.Run(context.Background(), bodied("x")); v.Cache != "miss" {
			t.Errorf("before the index is there: %q", v.Cache)
		}
		c.fail(nil)
		time.Sleep(loadRetry)
		synctest.Wait()
		for _, body := range []string{"x", "y", "z"} {
			if v := next.Run(context.Background(), bodied(body)); v.Cache != "hit" {
				t.Errorf("after a restart %s is a %s", body, v.Cache)
			}
		}
	})
}

func TestAnswersAreWrittenInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		c := &cache{}
		r.cache = c
		p := r.pipeline(t, answersStep())
		k := p.Run(context.Background(), bodied("x")).Keep
		for range keepQueue + 10 { // nobody writes yet: what is too much is dropped, and nobody waits
			put(k, "text/plain", "1")
		}
		ctx, cancel := context.WithCancel(context.Background())
		p.Background(ctx)
		synctest.Wait()
		if n := c.puts.Load(); n != keepQueue/keepBatch {
			t.Errorf("%d writes of %d answers", n, keepQueue)
		}
		cancel()
		synctest.Wait()
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add(encodeAnswer(&Answer{ContentType: "application/json", Channel: "a", Model: "m", Body: []byte("{}")}, time.UnixMilli(1)))
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := decodeAnswer(b)
		if a == nil {
			return
		}
		if again := decodeAnswer(encodeAnswer(a, a.Stored)); !reflect.DeepEqual(again, a) {
			t.Errorf("%q turns into %+v", b, again)
		}
	})
}

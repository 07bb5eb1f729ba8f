package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestHotAnswersCostNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		p := asking(t, c, func(s *config.Step) { s.Front = 1 << 20 })
		put(p.Run(context.Background(), bodied("x")).Keep, "text/plain", "1")
		// It is there at once, before it is written.
		if v := p.Run(context.Background(), bodied("x")); v.Cache != Hit {
			t.Errorf("cache %q", v.Cache)
		}
		synctest.Wait()
		c.fail(errors.New("down"))
		time.Sleep(90 * time.Second)
		for range 10 {
			v := p.Run(context.Background(), bodied("x"))
			if v.Cache != Hit || string(v.Reply.Body) != "1" || v.Reply.Age != 90*time.Second {
				t.Fatalf("cache %q, %+v", v.Cache, v.Reply)
			}
		}
		if c.gets.Load() != 0 {
			t.Error("the plugin was asked")
		}
		time.Sleep(time.Hour)
		if v := p.Run(context.Background(), bodied("x")); v.Cache != Miss {
			t.Errorf("after its ttl: %q", v.Cache)
		}
		time.Sleep(sweepEvery)
		synctest.Wait()
		if n := p.steps[0].step.(*answers).front.hot.EstimatedSize(); n != 0 {
			t.Errorf("%d expired answers stay in front", n)
		}
	})
}

// What was found in the plugin is hot too, as after a restart.
func TestTheFrontFillsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		stored(t, asking(t, c, nil), bodied("x"))
		p := asking(t, c, func(s *config.Step) { s.Front = 1 << 20 })
		for range 3 {
			if v := p.Run(context.Background(), bodied("x")); v.Cache != Hit {
				t.Errorf("cache %q", v.Cache)
			}
		}
		if n := c.gets.Load(); n != 1 {
			t.Errorf("the plugin was asked %d times", n)
		}
		if s := p.Stats()[0]; s.Fresh != 2 || s.Asked != 1 || s.Known != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestTheFrontIsBounded(t *testing.T) {
	t.Parallel()
	const size, one = 64 << 10, 4 << 10
	f := newFront(size)
	for i := range 100 {
		k := &kept{value: make([]byte, one)}
		binary.LittleEndian.PutUint64(k.key[:], uint64(i))
		f.put(k)
	}
	f.hot.CleanUp()
	if n := f.hot.WeightedSize(); n > size || n < size/2 {
		t.Errorf("%d bytes in front, %d may be", n, size)
	}
	huge := &kept{value: make([]byte, 2*size)}
	huge.key[31] = 1
	f.put(huge)
	f.hot.CleanUp()
	if f.get(huge.key) != nil {
		t.Error("an answer is in front that is longer than all of it may be")
	}
	if newFront(0) != nil {
		t.Error("a front of no size")
	}
}

func TestTheIndexIsBounded(t *testing.T) {
	t.Parallel()
	var x index
	x.init(50)
	now := time.Now()
	key := func(i int) (k answerKey) {
		binary.LittleEndian.PutUint64(k[:], uint64(i))
		return k
	}
	for i := range 1000 {
		x.note(key(i), now.Add(time.Duration(i+1)*time.Second))
		if !x.knows(key(i), now) {
			t.Fatalf("the last one, %d, is not known", i)
		}
	}
	if x.len() != 50 {
		t.Errorf("%d keys, 50 may be", x.len())
	}
	x.note(key(999), now.Add(time.Hour)) // known: nobody has to go
	if x.len() != 50 {
		t.Errorf("%d keys after one was noted again", x.len())
	}
	if x.sweep(now.Add(1001 * time.Second)); x.len() != 1 {
		t.Errorf("%d keys are left of one that has not expired", x.len())
	}
}

// Two pipelines at one store do not know of each other's answers.
func TestPipelinesShareNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		r := newRig("a")
		r.cache = c
		var both []*Pipeline
		for _, name := range []string{"one", "two"} {
			cfg := &config.Pipeline{Name: name, Steps: []*config.Step{answersStep()}}
			p, err := New(Options{Config: cfg, Board: r.board, Plugins: r.plugins, Log: nullLog})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			p.Background(ctx)
			both = append(both, p)
		}
		synctest.Wait()
		stored(t, both[0], bodied("x"))
		time.Sleep(2 * changesEvery)
		synctest.Wait()
		if v := both[1].Run(context.Background(), bodied("x")); v.Cache != Miss || c.gets.Load() != 0 {
			t.Errorf("the other pipeline: %q", v.Cache)
		}
		if indexed(both[0]) != 1 || indexed(both[1]) != 0 {
			t.Errorf("indexes of %d and %d keys", indexed(both[0]), indexed(both[1]))
		}
	})
}

// What another router stores or removes in the same store is soon known here.
func TestTheIndexFollowsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		here, there := asking(t, c, nil), asking(t, c, nil)
		stored(t, there, bodied("x"))
		time.Sleep(changesEvery)
		synctest.Wait()
		if v := here.Run(context.Background(), bodied("x")); v.Cache != Hit {
			t.Errorf("stored by another router: %q", v.Cache)
		}
		a := here.steps[0].step.(*answers)
		for key := range a.index.until {
			a.take([]sdk.Change{{Entry: sdk.Entry{Key: a.stored(key)}, Deleted: true}, {Entry: sdk.Entry{Key: "default/junk"}}})
		}
		if indexed(here) != 0 {
			t.Error("a removed answer is still known")
		}
	})
}

// The last answers are written after the end.
func TestTheEndWritesWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		r := newRig("a")
		r.cache = c
		p := r.pipeline(t, answersStep())
		for i := range 3 * keepBatch {
			put(p.Run(context.Background(), bodied(strconv.Itoa(i))).Keep, "text/plain", "1")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.Background(ctx)()
		if n := len(c.entries); n != 3*keepBatch {
			t.Errorf("%d of %d were written", n, 3*keepBatch)
		}
	})
}

// A plugin that dies has the answers once it is back.
func TestAWriteIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cache{}
		p := asking(t, c, nil)
		c.fail(errors.New("restarting"))
		put(p.Run(context.Background(), bodied("x")).Keep, "text/plain", "1")
		synctest.Wait()
		c.fail(nil)
		time.Sleep(keepRetry)
		synctest.Wait()
		if n := indexed(p); n != 1 || c.puts.Load() != 2 {
			t.Errorf("%d answers are known after %d writes", n, c.puts.Load())
		}
	})
}

func TestWishes(t *testing.T) {
	t.Parallel()
	const ttl, anyAge = 10 * time.Minute, math.MaxInt64
	for _, tc := range []struct {
		name, control, own string
		want               wish
		refused            bool
	}{
		{name: "nothing", want: wish{ttl: ttl, oldest: anyAge}},
		{name: "a shorter time", own: "90", want: wish{ttl: 90 * time.Second, oldest: 90 * time.Second}},
		{name: "a shorter time with a unit", own: "2m", want: wish{ttl: 2 * time.Minute, oldest: 2 * time.Minute}},
		{name: "a longer time", own: "1h", want: wish{ttl: ttl, oldest: time.Hour}},
		{name: "the smaller age", own: "1h", control: "max-age=5", want: wish{ttl: ttl, oldest: 5 * time.Second}},
		{name: "no time", own: "0s", want: wish{none: true}},
		{name: "a negative time", own: "-5", refused: true},
		{name: "words", own: "long", refused: true},
		{name: "an age beyond all", control: "max-age=99999999999999999999", want: wish{ttl: ttl}},
		{name: "what makes no sense here", control: "only-if-cached, x=y, ,", want: wish{ttl: ttl, oldest: anyAge}},
		{name: "no-store among others", control: "max-age=5,NO-STORE", want: wish{none: true, ttl: ttl, oldest: 5 * time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if tc.control != "" {
				h.Set("Cache-Control", tc.control)
			}
			if tc.own != "" {
				h.Set(CacheTTLHeader, tc.own)
			}
			got, refused := readWish(h, ttl)
			switch {
			case (refused != nil) != tc.refused:
				t.Errorf("refused: %v", refused)
			case tc.refused && refused.Status != http.StatusBadRequest:
				t.Errorf("refused with %d", refused.Status)
			case !tc.refused && got != tc.want:
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A request's own time also says how long its answer is kept.
func TestAShorterTimeOfARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := asking(t, &cache{}, nil)
		first := bodied("x")
		first.Header.Set(CacheTTLHeader, "60")
		stored(t, p, first)
		time.Sleep(59 * time.Second)
		if v := p.Run(context.Background(), bodied("x")); v.Cache != Hit || v.Reply.Age != 59*time.Second {
			t.Errorf("within its time: %q", v.Cache)
		}
		time.Sleep(time.Second)
		if v := p.Run(context.Background(), bodied("x")); v.Cache != Miss {
			t.Errorf("after its time: %q", v.Cache)
		}
	})
}

// upper stores what is whole, and gives it in capitals to those who want a
// stream.
type upper struct{ asStored }

func (upper) Content(body []byte) []byte {
	if bytes.HasPrefix(body, []byte("--")) {
		return nil
	}
	return bytes.TrimSuffix(body, []byte(" stream"))
}

func (upper) Fit(a *Answer, q *Request) *Answer {
	if q.Usage {
		return nil
	}
	fit := *a
	if q.Facts.Stream {
		fit.Body = bytes.ToUpper(a.Body)
	}
	return &fit
}

func TestOneAnswerInBothForms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := asking(t, &cache{}, nil)
		p.steps[0].step.(*answers).forms = upper{}
		put(p.Run(context.Background(), bodied("q")).Keep, "text/plain", "word")
		synctest.Wait()
		q := bodied("q stream")
		q.Facts.Stream = true
		if v := p.Run(context.Background(), q); v.Cache != Hit || string(v.Reply.Body) != "WORD" {
			t.Errorf("%q: %+v", v.Cache, v.Reply)
		}
		q.Usage = true // what the stored one lacks
		if v := p.Run(context.Background(), q); v.Cache != Miss || v.Keep == nil || v.Reply != nil {
			t.Errorf("%q: %+v", v.Cache, v.Reply)
		}
		if v := p.Run(context.Background(), bodied("--form")); v.Cache != "" || v.Keep != nil {
			t.Errorf("a body without content: %q", v.Cache)
		}
	})
}

func TestWhatIsShared(t *testing.T) {
	t.Parallel()
	step := func(s *config.Step) { s.Dedupe, s.TTL = true, 0 }
	for _, tc := range []struct {
		name   string
		step   func(*config.Step)
		change func(*Request)
		want   bool
	}{
		{name: "equal requests", want: true},
		{name: "off", step: func(s *config.Step) { s.Dedupe = false }},
		{name: "warm", change: func(q *Request) { q.Temperature = 0.1 }},
		{name: "warm, allowed", step: func(s *config.Step) { s.DedupeMaxTemperature = 1 }, change: func(q *Request) { q.Temperature = 1 }, want: true},
		{name: "several choices", change: func(q *Request) { q.N = 2 }},
		{name: "several choices, allowed", step: func(s *config.Step) { s.DedupeN = true }, change: func(q *Request) { q.N = 2 }, want: true},
		{name: "no-store", change: func(q *Request) { q.Header.Set("Cache-Control", "no-store") }},
		{name: "no-cache", change: func(q *Request) { q.Header.Set("Cache-Control", "no-cache") }},
		{name: "a response that is kept", change: func(q *Request) { q.Facts.Endpoint = sdk.Responses }},
		{name: "with a cache", step: func(s *config.Step) { s.TTL = time.Hour }, want: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig("a")
			r.cache = &cache{}
			s := answersStep()
			step(s)
			if tc.step != nil {
				tc.step(s)
			}
			p := r.pipeline(t, s)
			q := bodied("x")
			if tc.change != nil {
				tc.change(q)
			}
			v := p.Run(context.Background(), q)
			if (v.Share != nil) != tc.want {
				t.Fatalf("shared: %v", v.Share)
			}
			if s.TTL == 0 && v.Cache != "" {
				t.Errorf("a cache that is off says %q", v.Cache)
			}
		})
	}
}

func TestWhichRequestsAreEqual(t *testing.T) {
	t.Parallel()
	r := newRig("a")
	r.cache = &cache{}
	s := answersStep()
	s.Dedupe = true
	p := r.pipeline(t, s)
	key := func(change func(*Request)) ShareKey {
		q := bodied("x")
		change(q)
		return p.Run(context.Background(), q).Share.Key
	}
	same := key(func(*Request) {})
	if key(func(q *Request) { q.Facts.Region = "eu" }) != same {
		t.Error("a region makes another request")
	}
	for name, change := range map[string]func(*Request){
		"caller":   func(q *Request) { q.Facts.Key = "them" },
		"endpoint": func(q *Request) { q.Facts.Endpoint = sdk.Completions },
		"body":     func(q *Request) { q.Body = []byte("y") },
		"stream":   func(q *Request) { q.Facts.Stream = true },
		"usage":    func(q *Request) { q.Usage = true },
	} {
		if key(change) == same {
			t.Errorf("another %s makes no other request", name)
		}
	}
}

func TestExplainTellsOfSharing(t *testing.T) {
	t.Parallel()
	r := newRig("a")
	r.cache = &cache{}
	s := answersStep()
	s.Dedupe = true
	_, steps := r.pipeline(t, s).Explain(context.Background(), bodied("x"))
	if said := strings.Join(steps[0].Answer, "\n"); said != "miss: a good answer would be kept for 1h0m0s\nan equal request in flight would share its upstream call" {
		t.Errorf("said %s", said)
	}
}

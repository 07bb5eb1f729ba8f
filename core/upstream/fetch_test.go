package upstream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// picture is enough of a PNG to be known as one.
const picture = "\x89PNG\r\n\x1a\n and the rest"

// gallery serves pictures and worse, at 127.0.0.1.
func gallery(t *testing.T) (base string, seen func() []*http.Request) {
	t.Helper()
	var mu sync.Mutex
	var all []*http.Request
	png := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "image/png")
		w.Write([]byte(body))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/a.png", func(w http.ResponseWriter, _ *http.Request) { png(w, picture) })
	mux.HandleFunc("/untold", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "binary/octet-stream")
		w.Write([]byte(picture))
	})
	mux.HandleFunc("/big.png", func(w http.ResponseWriter, _ *http.Request) { png(w, strings.Repeat("x", 1001)) })
	mux.HandleFunc("/endless.png", func(w http.ResponseWriter, _ *http.Request) {
		for w.Header().Set("Content-Type", "image/png"); ; {
			if _, err := w.Write(make([]byte, 100)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<p>"))
	})
	mux.HandleFunc("/notes.txt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("two\nlines"))
	})
	mux.HandleFunc("/packed.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		png(w, "small")
	})
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("url"), http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r)
		mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []*http.Request {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// here are limits under which this machine may be fetched from.
func here(change func(*config.Fetch)) config.Fetch {
	l := config.Defaults.Fetch
	l.MaxSize, l.Timeout, l.Hosts = 1000, patience, []string{"127.0.0.1"}
	if change != nil {
		change(&l)
	}
	return l
}

func TestWhatIsFetchedAndWhatIsNot(t *testing.T) {
	t.Parallel()
	base, _ := gallery(t)
	port := base[strings.LastIndexByte(base, ':'):]
	for _, tt := range []struct {
		name   string
		url    string
		limits config.Fetch
		media  string
		err    error
		says   string
	}{
		{name: "a picture", url: base + "/a.png", media: "image/png"},
		{name: "a picture that its host calls bytes", url: base + "/untold", media: "image/png"},
		{name: "a text", url: base + "/notes.txt", media: "text/plain"},
		{name: "a redirection", url: base + "/to?url=/a.png", media: "image/png"},
		{name: "as many bytes as may be", url: base + "/big.png", media: "image/png", limits: here(func(f *config.Fetch) { f.MaxSize = 1001 })},
		{name: "one byte too many", url: base + "/big.png", err: errTooBig},
		{name: "a length that is not told", url: base + "/endless.png", err: errTooBig},
		{name: "another type", url: base + "/page", says: "it is text/html, which is not taken"},
		{name: "what is not there", url: base + "/none.png", says: "its host answers 404"},
		{name: "a compressed answer", url: base + "/packed.png", err: errEncoded},
		{name: "too many redirections", url: base + "/round", err: errRedirects},
		{name: "a silent host", url: base + "/silent", err: errSlow, limits: here(func(f *config.Fetch) { f.Timeout = time.Millisecond })},
		{name: "nobody there", url: "http://127.0.0.1:1/a.png", err: errNotReached},
		{name: "a host that is not listed", url: base + "/a.png", err: errNotPublic, limits: here(func(f *config.Fetch) { f.Hosts = nil })},
		{name: "a name of a private address", url: "http://localhost" + port + "/a.png", err: errNotPublic},
		{name: "a redirection to a private address", url: base + "/to?url=http://localhost" + port + "/a.png", err: errNotPublic},
		{name: "where clouds serve credentials", url: "http://169.254.169.254/latest/meta-data", err: errNotPublic},
		{name: "a redirection to where clouds do", url: base + "/to?url=http://169.254.169.254/", err: errNotPublic},
		{name: "a redirection to another scheme", url: base + "/to?url=file:///etc/passwd", err: errNoURL},
		{name: "a redirection with credentials", url: base + "/to?url=" + strings.Replace(base, "//", "//user:pass@", 1), err: errNoURL},
		{name: "a file", url: "file:///etc/passwd", err: errNoURL},
		{name: "credentials", url: strings.Replace(base, "//", "//user:pass@", 1) + "/a.png", err: errNoURL},
		{name: "no host", url: "http:///a.png", err: errNoURL},
		{name: "no URL", url: "a.png", err: errNoURL},
		{name: "a router that does not", url: base + "/a.png", err: errNotFetched, limits: here(func(f *config.Fetch) { f.Enabled = false })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.limits.AtOnce == 0 {
				tt.limits = here(nil)
			}
			var left atomic.Int64
			left.Store(tt.limits.MaxSize)
			got, err := newFetcher(tt.limits, nil).fetch(t.Context(), tt.url, &left)
			switch {
			case tt.err != nil:
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
			case tt.says != "":
				if err == nil || err.Error() != tt.says {
					t.Errorf("got %v, want %s", err, tt.says)
				}
			case err != nil || got.media != tt.media || len(got.body) == 0:
				t.Errorf("got %s, %d bytes, %v", got.media, len(got.body), err)
			}
		})
	}
}

func TestWhatIsFetchedIsSentNothingOfOurs(t *testing.T) {
	t.Parallel()
	base, seen := gallery(t)
	var left atomic.Int64
	left.Store(1000)
	if _, err := newFetcher(here(nil), nil).fetch(t.Context(), base+"/to?token=1&url=/a.png", &left); err != nil {
		t.Fatal(err)
	}
	for _, r := range seen() {
		for name := range r.Header {
			if name != "User-Agent" && name != "Connection" {
				t.Errorf("%s has the header %s: %s", r.URL.Path, name, r.Header.Get(name))
			}
		}
	}
}

func TestAddressesThatClientsMayNotReach(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "64:ff9b::808:808": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "100.64.0.1": false, "fd00::1": false,
		"169.254.169.254": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "100.100.100.200": false, "168.63.129.16": false,
		"192.0.0.192": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "198.18.0.1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false, "2001::1": false, "fec0::1": false,
	} {
		if got := open(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// No more than so many are fetched at once, and who waits for its turn waits no
// longer than for an answer.
func TestFetchesAtOnce(t *testing.T) {
	t.Parallel()
	base, _ := gallery(t)
	f := newFetcher(here(func(f *config.Fetch) { f.AtOnce, f.Timeout = 1, 20*time.Millisecond }), nil)
	f.places <- struct{}{}
	var left atomic.Int64
	left.Store(1000)
	if _, err := f.fetch(t.Context(), base+"/a.png", &left); !errors.Is(err, errSlow) {
		t.Errorf("got %v", err)
	}
	<-f.places
	f.limits.Timeout = patience
	if _, err := f.fetch(t.Context(), base+"/a.png", &left); err != nil {
		t.Error(err)
	}
}

// bytesAlone is a format of a provider that takes no URLs, but for its own.
var bytesAlone = &hub.Format{Name: "bytes", Out: &hub.Out{
	Rules: hub.Rules{hub.ImageURL: {How: hub.Fetched}, hub.FileURL: {How: hub.Fetched}},
	Reads: func(u hub.Text) bool { return strings.HasPrefix(string(u), "s3://") },
}}

func asking(t *testing.T, parts string) *hub.Request {
	t.Helper()
	c := Call{Endpoint: sdk.Chat, Body: []byte(`{"model":"m","messages":[{"role":"user","content":[` + parts + `]}]}`)}
	r, err := c.format().In.Facts(&hub.Ask{Endpoint: sdk.Chat, Body: c.Body})
	if err != nil {
		t.Fatal(err)
	}
	q, err := c.format().In.Request(c.Body, &r)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestBytesComeInThePlaceOfURLs(t *testing.T) {
	t.Parallel()
	base, seen := gallery(t)
	l := newLab(t, at(base))
	l.dispatcher.Fetch(here(nil))
	q := asking(t, fmt.Sprintf(`{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"%[1]s/a.png"}},{"type":"image_url","image_url":{"url":"%[1]s/a.png"}},`+
		`{"type":"file","file":{"file_url":"%[1]s/notes.txt"}},{"type":"file","file":{"file_url":"s3://b/k"}}`, strings.ReplaceAll(base, "/", `\/`)))
	f := forward{d: l.dispatcher}
	for range 2 { // two targets
		mine := *q
		parts := bytesAlone.ToFetch(&mine)
		if err := f.bring(context.Background(), parts); err != nil {
			t.Fatal(err)
		}
		want := base64.StdEncoding.EncodeToString([]byte(picture))
		p := mine.Messages[0].Parts
		if string(p[1].Data) != want || string(p[2].Data) != want || string(p[1].Media) != "image/png" || len(p[1].URL) > 0 {
			t.Errorf("the picture is %+v", p[1])
		}
		if string(p[3].Text) != `two\nlines` || string(p[4].URL) != "s3://b/k" {
			t.Errorf("the files are %+v and %+v", p[3], p[4])
		}
	}
	if len(q.Messages[0].Parts[1].URL) == 0 {
		t.Error("the client's request has lost its URL")
	}
	if n := len(seen()); n != 2 {
		t.Errorf("%d requests for two URLs", n)
	}
}

func TestWhatCantBeFetchedIsA400ThatNamesIt(t *testing.T) {
	t.Parallel()
	base, _ := gallery(t)
	l := newLab(t, at(base))
	l.dispatcher.Fetch(here(nil))
	for part, want := range map[string]string{
		`{"type":"image_url","image_url":{"url":"` + base + `/none.png?token=secret"}}`: base + "/none.png can't be sent in its place: its host answers 404.",
		`{"type":"image_url","image_url":{"url":"` + base + `/notes.txt"}}`:             "it is text/plain and no image.",
	} {
		q := asking(t, part)
		f := forward{d: l.dispatcher}
		err := f.bring(context.Background(), bytesAlone.ToFetch(q))
		var e *wire.Error
		if !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Param != hub.ImageURL.String() || !strings.HasSuffix(e.Message, want) || strings.Contains(e.Message, "secret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

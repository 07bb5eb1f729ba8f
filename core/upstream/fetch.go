package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// fetcher fetches what clients name by URL. A client must not reach by it what
// only the router can, so every address that is dialled is looked at, of
// redirects too, and what a name stands for then is what is connected to. No
// credential of anybody's goes with it.
type fetcher struct {
	limits config.Fetch
	places chan struct{}
	client http.Client
}

// found is what was at a URL.
type found struct {
	media string
	body  []byte
}

// Why nothing was fetched, in words for the client. They tell nothing of the
// router's network.
var (
	errNotFetched = errors.New("this router fetches nothing")
	errNoURL      = errors.New("it is no http or https URL without a user name and password")
	errNotPublic  = errors.New("its host stands for an address that is not public")
	errRedirects  = errors.New("it is redirected too often")
	errTooBig     = errors.New("it is too big")
	errSlow       = errors.New("it did not come in time")
	errNotReached = errors.New("its host could not be reached")
	errEncoded    = errors.New("its host sent it compressed, which was not asked for")
)

// maxFetchedHead is the longest head of an answer that is read, in bytes.
const maxFetchedHead = 64 << 10

func newFetcher(limits config.Fetch, roots *x509.CertPool) *fetcher {
	f := &fetcher{limits: limits, places: make(chan struct{}, max(1, limits.AtOnce))}
	f.client = http.Client{
		Transport: &http.Transport{
			DialContext:            f.dial,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // the next URL is somewhere else
			DisableCompression:     true, // a small answer must not become a big one
			MaxResponseHeaderBytes: maxFetchedHead,
		},
		CheckRedirect: f.redirected,
	}
	return f
}

// fetch fetches one URL. left is how many bytes the request may have fetched still.
func (f *fetcher) fetch(ctx context.Context, address string, left *atomic.Int64) (found, error) {
	if !f.limits.Enabled {
		return found{}, errNotFetched
	}
	ctx, cancel := context.WithTimeout(ctx, f.limits.Timeout)
	defer cancel()
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
	case <-ctx.Done():
		return found{}, errSlow
	}
	out, err := f.get(ctx, address, left)
	if err != nil && ctx.Err() != nil {
		return out, errSlow
	}
	return out, err
}

func (f *fetcher) get(ctx context.Context, address string, left *atomic.Int64) (found, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil || !fetchable(r.URL) {
		return found{}, errNoURL
	}
	r.Header.Set("User-Agent", "smartrouter")
	answer, err := f.client.Do(r)
	if err != nil {
		return found{}, said(err)
	}
	defer answer.Body.Close()
	switch e := answer.Header.Get("Content-Encoding"); {
	case answer.StatusCode != http.StatusOK:
		return found{}, fmt.Errorf("its host answers %d", answer.StatusCode)
	case e != "" && e != "identity":
		return found{}, errEncoded
	case answer.ContentLength > left.Load():
		return found{}, errTooBig
	}
	body, err := io.ReadAll(&allowance{answer.Body, left})
	switch {
	case errors.Is(err, errTooBig):
		return found{}, errTooBig
	case err != nil:
		return found{}, errNotReached
	}
	out := found{media: mediaOf(answer.Header.Get("Content-Type"), body), body: body}
	if !slices.Contains(f.limits.Types, out.media) {
		return found{}, fmt.Errorf("it is %s, which is not taken", shorten(out.media, 60))
	}
	return out, nil
}

// said is an error of the client's in words that tell nothing.
func said(err error) error {
	for _, e := range [...]error{errNoURL, errNotPublic, errRedirects} {
		if errors.Is(err, e) {
			return e
		}
	}
	return errNotReached
}

// mediaOf is the type that a host says, else what the bytes look like.
func mediaOf(contentType string, body []byte) string {
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "" || strings.HasSuffix(media, "/octet-stream") {
		media, _, _ = mime.ParseMediaType(http.DetectContentType(body))
	}
	return media
}

// allowance lets through what a request may have fetched still.
type allowance struct {
	from io.Reader
	left *atomic.Int64
}

func (a *allowance) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	if a.left.Add(-int64(n)) < 0 {
		return 0, errTooBig
	}
	return n, err
}

func fetchable(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

func (f *fetcher) redirected(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the client's URL is not the next host's business
	switch {
	case !fetchable(r.URL):
		return errNoURL
	case len(via) > f.limits.MaxRedirects:
		return errRedirects
	}
	return nil
}

// dial connects to a host, after a look at the very address that is dialled.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	listed := slices.Contains(f.limits.Hosts, strings.ToLower(host))
	d := net.Dialer{Control: func(_, at string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(at)
		if err != nil {
			return err
		}
		if listed {
			if (guard{host: strings.ToLower(host)}).check(ap.Addr()) != nil {
				return errNotPublic
			}
			return nil
		}
		if !open(ap.Addr()) {
			return errNotPublic
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// open tells whether a client may have the router talk to an address: only
// where it could do so itself, over the internet.
func open(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) { // an IPv4 address is behind it
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !public(a) || credentialServices[a] || a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

var (
	// translated is where IPv6-only networks reach IPv4 (RFC 6052).
	translated = netip.MustParsePrefix("64:ff9b::/96")
	// global are the unicast addresses of the IPv6 internet.
	global = netip.MustParsePrefix("2000::/3")
	// special are addresses that the registries of IANA keep for other purposes
	// than the internet's, or through which another address is reached.
	special = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
		netip.MustParsePrefix("3fff::/20"),
	}
)

package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/upstream/sigv4"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// agent is how the router calls itself.
const agent = "smartrouter"

// Only these fields of a client's request are sent on. Its credentials are for
// the router, its cookies for nobody, and its organisation and project belong
// to another account than the channel's.
var sentOn = [...]string{"Accept", "Idempotency-Key", "Openai-Beta"}

// head makes the headers of a request; those of the client's format go to
// targets of the same.
func (a *attempt) head() http.Header {
	c := a.f.call
	if a.translated {
		return forUpstream(c.Header, nil, "application/json", a.prepared)
	}
	return forUpstream(c.Header, c.format().In.SentOn, c.ContentType, a.prepared)
}

// forUpstream makes the headers of a request. Canonical keys are set directly.
func forUpstream(client http.Header, more []string, contentType string, p *sdk.Prepared) http.Header {
	h := takeHeader()
	for _, name := range sentOn {
		if v := client[name]; len(v) > 0 {
			h[name] = v[:1:1]
		}
	}
	for _, name := range more {
		if v := client[name]; len(v) > 0 {
			h[name] = slices.Clone(v)
		}
	}
	switch contentType {
	case "":
	case ofJSON[0]:
		h["Content-Type"] = ofJSON
	default:
		h["Content-Type"] = []string{contentType}
	}
	h["User-Agent"] = ofAgent
	// What is not compressed needs no limit on what it unpacks to.
	h["Accept-Encoding"] = ofIdentity
	for _, f := range p.Headers {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			// These are the transport's.
		default:
			h[name] = []string{f.Value}
		}
	}
	return h
}

// What most requests say, made once. Nobody changes it in place.
var ofJSON, ofAgent, ofIdentity = []string{"application/json"}, []string{agent}, []string{"identity"}

// headers are those of requests that were sent.
var headers = sync.Pool{New: func() any { return make(http.Header, 8) }}

func takeHeader() http.Header { return headers.Get().(http.Header) }

func giveHeader(h http.Header) {
	clear(h)
	headers.Put(h)
}

// credential is what proves to a target who asks: the channel's own secret, or
// the token that it is exchanged for.
func (d *Dispatcher) credential(ctx context.Context, c *config.Channel, a *sdk.Auth) (string, error) {
	secret := c.Secret.Reveal()
	switch a.Kind {
	case sdk.AuthGoogle:
		if secret != "" {
			return d.google.token(ctx, c, secret)
		}
	case sdk.AuthBearer, sdk.AuthHeader, sdk.AuthQuery:
		if strings.HasPrefix(secret, "{") {
			return "", fmt.Errorf("the channel's api_key is a key file, which goes into no request")
		}
	}
	return secret, nil
}

// expires tells whether a credential is one that a 401 may say to be over.
func expires(a *sdk.Auth) bool { return a.Kind == sdk.AuthMinted || a.Kind == sdk.AuthGoogle }

// renew forgets what a channel's 401 has ended.
func (d *Dispatcher) renew(c *board.Channel) {
	d.preparer.Forget(c)
	d.google.forget(c.Config.Secret.Reveal())
}

// authorize adds the credential, to the headers or to the URL: the last that
// happens to what a signature is of.
func authorize(method string, p *parcel, a *sdk.Auth, secret string) error {
	if secret == "" && a.Kind != sdk.AuthMinted {
		return nil // a local server that asks for none
	}
	switch a.Kind {
	case sdk.AuthNone, "":
	case sdk.AuthBearer, sdk.AuthGoogle:
		p.header["Authorization"] = []string{"Bearer " + secret}
	case sdk.AuthHeader:
		if a.Name == "" {
			return fmt.Errorf("the adapter names no header for the credential")
		}
		p.header.Set(a.Name, secret)
	case sdk.AuthMinted:
		p.header["Authorization"] = []string{a.Value}
	case sdk.AuthSigV4:
		keys, err := sigv4.Parse(secret)
		if err != nil {
			return err
		}
		sigv4.Sign(method, p.url, p.header, p.data, keys, sigv4.Scope{Region: a.Region, Service: a.Service}, time.Now())
	case sdk.AuthQuery:
		if a.Name == "" {
			return fmt.Errorf("the adapter names no parameter for the credential")
		}
		with := *p.url
		if with.RawQuery != "" {
			with.RawQuery += "&"
		}
		with.RawQuery += url.QueryEscape(a.Name) + "=" + url.QueryEscape(secret)
		p.url = &with
	default:
		return fmt.Errorf("the adapter wants the unknown auth %q", a.Kind)
	}
	return nil
}

// secretsOf are the texts that a channel's upstream may repeat and nobody is to
// read.
func secretsOf(c *config.Channel, p *sdk.Prepared) []string {
	secret := c.Secret.Reveal()
	all := []string{secret}
	if p == nil {
		return all
	}
	all = append(all, p.Auth.Value)
	if p.Auth.Kind == sdk.AuthSigV4 {
		if k, err := sigv4.Parse(secret); err == nil {
			all = append(all, k.ID, k.Secret, k.Token)
		}
	}
	return all
}

// forClient takes over the few fields of an answer that a client may see. It
// sees the upstream's x-request-id under another name: our own is in its place.
// The values are copied, as the memory of an answer's header is used again.
func forClient(to, from http.Header, status int) {
	var values []string
	take := func(name string, v []string) {
		if values == nil {
			values = make([]string, 0, len(from))
		}
		n := len(values)
		values = append(values, v...)
		to[name] = values[n:len(values):len(values)]
	}
	for name, v := range from {
		switch name {
		case "Openai-Processing-Ms", "Openai-Version", "Content-Disposition":
			take(name, v)
		case "X-Request-Id", "Request-Id":
			take("X-Upstream-Request-Id", v)
		case "Retry-After", "Retry-After-Ms":
			if status >= http.StatusBadRequest {
				take(name, v)
			}
		default:
			if strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-") {
				take(name, v)
			}
		}
	}
}

// forPlugin is all of an answer but what belongs to the connection or could be
// used as a credential.
func forPlugin(from http.Header) []sdk.Header {
	var out []sdk.Header
	for name, values := range from {
		switch name {
		case "Set-Cookie", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade",
			"Proxy-Authenticate", "Www-Authenticate", "Authorization":
			continue
		}
		for _, v := range values {
			out = append(out, sdk.Header{Name: strings.ToLower(name), Value: v})
		}
	}
	return out
}

// scrub takes credentials out of a text that an upstream may have put them in.
func scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if s = strings.TrimPrefix(s, "Bearer "); len(s) >= shortestSecret {
			text = strings.ReplaceAll(text, s, "***")
			if e := url.QueryEscape(s); e != s {
				text = strings.ReplaceAll(text, e, "***")
			}
		}
	}
	return text
}

// shortestSecret is the length below which a credential, such as "x" for a
// local server, is taken for a word like any other.
const shortestSecret = 6

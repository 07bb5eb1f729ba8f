package upstream

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// agent is how the router calls itself.
const agent = "smartrouter"

// Only these fields of a client's request are sent on. Its credentials are for
// the router, its cookies for nobody, and its organisation and project belong
// to another account than the channel's.
var sentOn = [...]string{"Accept", "Idempotency-Key", "Openai-Beta"}

// forUpstream makes the headers of a request. Canonical keys are set directly.
func forUpstream(client http.Header, contentType string, p *sdk.Prepared) http.Header {
	h := make(http.Header, len(sentOn)+len(p.Headers)+4)
	for _, name := range sentOn {
		if v := client[name]; len(v) > 0 {
			h[name] = v[:1:1]
		}
	}
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	h["User-Agent"] = []string{agent}
	// What is not compressed needs no limit on what it unpacks to.
	h["Accept-Encoding"] = []string{"identity"}
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

// authorize adds the credential: to the headers, or to the URL that it returns.
func authorize(h http.Header, u *url.URL, a *sdk.Auth, secret string) (*url.URL, error) {
	if secret == "" && a.Kind != sdk.AuthMinted {
		return u, nil // a local server that asks for none
	}
	switch a.Kind {
	case sdk.AuthNone, "":
	case sdk.AuthBearer:
		h["Authorization"] = []string{"Bearer " + secret}
	case sdk.AuthHeader:
		if a.Name == "" {
			return nil, fmt.Errorf("the adapter names no header for the credential")
		}
		h.Set(a.Name, secret)
	case sdk.AuthMinted:
		h["Authorization"] = []string{a.Value}
	case sdk.AuthQuery:
		if a.Name == "" {
			return nil, fmt.Errorf("the adapter names no parameter for the credential")
		}
		with := *u
		if with.RawQuery != "" {
			with.RawQuery += "&"
		}
		with.RawQuery += url.QueryEscape(a.Name) + "=" + url.QueryEscape(secret)
		return &with, nil
	default:
		return nil, fmt.Errorf("the adapter wants the unknown auth %q", a.Kind)
	}
	return u, nil
}

// forClient takes over the few fields of an answer that a client may see. It
// sees the upstream's x-request-id under another name: our own is in its place.
func forClient(to, from http.Header, status int) {
	for name, v := range from {
		switch name {
		case "Openai-Processing-Ms", "Openai-Version", "Content-Disposition":
			to[name] = v
		case "X-Request-Id":
			to["X-Upstream-Request-Id"] = v
		case "Retry-After", "Retry-After-Ms":
			if status >= http.StatusBadRequest {
				to[name] = v
			}
		default:
			if strings.HasPrefix(name, "X-Ratelimit-") {
				to[name] = v
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

package config

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// word checks for text without spaces.
func word(s string) *problem {
	if s == "" {
		return problemf("", "must not be empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 || r == 0x3000 }) {
		return problemf("", "%q must not have spaces", s)
	}
	return nil
}

// tag checks for what tag queries can name: in tag:a,!b commas and
// exclamation marks have a meaning.
func tag(s string) *problem {
	if p := word(s); p != nil {
		return p
	}
	if strings.HasPrefix(s, "!") || strings.Contains(s, ",") {
		return problemf("", "%q must have no comma and not begin with an exclamation mark", s)
	}
	return nil
}

// pattern is compiled at its first use: plugins of ours run this program too, and
// have no file to read.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

var label = pattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

const maxLabel = 63 // bytes

// labelName checks names that end up in headers, metrics and paths.
func labelName(s string) *problem {
	if len(s) <= maxLabel && label().MatchString(s) {
		return nil
	}
	return problemf("use letters, digits, dots, dashes and underscores, "+strconv.Itoa(maxLabel)+" at most", "%q is no name", s)
}

// address checks for host:port.
func address(s string) *problem {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return problemf(`write one such as "127.0.0.1:7601"`, "%q is no address", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return problemf("ports go from 0, any free one, to 65535", "%q is no port", port)
	}
	return nil
}

// isLoopback reports whether only this machine reaches an address or a host.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// baseURL checks for a URL below which endpoints lie.
func baseURL(s string) *problem {
	const remedy = `write one such as "https://llm.example.com/v1"`
	u, err := url.Parse(s)
	if err != nil {
		return problemf(remedy, "is no URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return problemf(remedy, "%q must begin with https:// or http://", s)
	case u.Hostname() == "":
		return problemf(remedy, "%q has no host", s)
	case u.User != nil:
		return problemf("put the credential into api_key", "must have no user name and no password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return problemf("put parameters into settings", "%q must end with its path", s)
	}
	return nil
}

// origin checks for what a browser sends as Origin.
func origin(s string) *problem {
	const remedy = `write one such as "https://app.example.com"`
	if s == "*" {
		return problemf(remedy, `"*" would let every web page spend your keys`)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != s {
		return problemf(remedy, "%q is no origin", s)
	}
	return nil
}

// hostName checks for a host without scheme and port.
func hostName(s string) *problem {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if s == "" || strings.ContainsAny(s, "/:@*? ") {
		return problemf(`write one such as "llm.example.com"`, "%q is no host name", s)
	}
	return nil
}

// header checks for a header that a plugin may read.
func header(s string) *problem {
	if !httpguts.ValidHeaderFieldName(s) {
		return problemf(`write one such as "x-team"`, "%q is no header name", s)
	}
	switch strings.ToLower(s) {
	case "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key":
		return problemf("a selector can read the key's name instead", "%q holds a credential, which no plugin sees", s)
	}
	return nil
}

// routePath checks for a path that may end in "*".
func routePath(s string) *problem {
	const remedy = `write one such as "/v1/chat/completions" or "/v1/*"`
	switch {
	case !strings.HasPrefix(s, "/"):
		return problemf(remedy, "%q must begin with a slash", s)
	case strings.Contains(strings.TrimSuffix(s, "*"), "*"):
		return problemf(remedy, `%q has a "*" before its end`, s)
	case strings.Contains(s, "//"), strings.Contains(s, "/../"), strings.ContainsAny(s, "?# "):
		return problemf(remedy, "%q is no plain path", s)
	}
	return nil
}

var (
	hexDigest = pattern(`^[0-9a-f]{64}$`)
	envName   = pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// digest checks for 32 bytes in hex.
func digest(s string) *problem {
	if hexDigest().MatchString(s) {
		return nil
	}
	return problemf("", "must be 64 hexadecimal digits in lower case")
}

// keyDigest checks for the digest of a caller's key.
func keyDigest(s string) *problem {
	if hexDigest().MatchString(strings.TrimPrefix(s, HashedKey)) {
		return nil
	}
	return problemf("smartrouter key prints one", "must be %q and 64 hexadecimal digits in lower case", HashedKey)
}

// credential checks for what fits into a header.
func credential(s string) *problem {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return problemf("", "must have only visible ASCII characters")
		}
	}
	return nil
}

// isKeyFile tells whether a credential is a key file in JSON, as Google gives
// them out. It goes into no header.
func isKeyFile(s string) bool { return strings.HasPrefix(s, "{") && json.Valid([]byte(s)) }

// oneLine is a key file without the line breaks between its values.
func oneLine(s string) string {
	if !isKeyFile(s) {
		return s
	}
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(s)) // it is valid
	return b.String()
}

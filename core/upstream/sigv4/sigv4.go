// Package sigv4 signs requests as AWS wants it, by Signature Version 4:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//
// It is for services whose paths are escaped once more before they are signed,
// which is all but S3.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Keys prove who asks.
type Keys struct {
	ID, Secret string
	// Token of a session; empty: the keys are not temporary.
	Token string
}

// separator is in no part of a key.
const separator = ":"

// String is the keys as one text, for [Parse].
func (k Keys) String() string {
	s := k.ID + separator + k.Secret
	if k.Token != "" {
		s += separator + k.Token
	}
	return s
}

// Parse reads "ID:SECRET" or "ID:SECRET:TOKEN". Its error holds none of them.
func Parse(s string) (Keys, error) {
	parts := strings.Split(s, separator)
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return Keys{}, errors.New("the credential is none of AWS: ID:SECRET or ID:SECRET:TOKEN")
	}
	return Keys{ID: parts[0], Secret: parts[1], Token: strings.Join(parts[2:], "")}, nil
}

// Scope is what a signature is good for.
type Scope struct{ Region, Service string }

const (
	algorithm = "AWS4-HMAC-SHA256"
	timeForm  = "20060102T150405Z"
	dayLength = len("20060102")
)

// Sign adds to a request's headers when it was signed, the session's token, and
// the signature. Signed are the host, the content type, and what begins with
// X-Amz-; other headers may still change.
func Sign(method string, u *url.URL, h http.Header, body []byte, k Keys, s Scope, now time.Time) {
	at := now.UTC().Format(timeForm)
	h["X-Amz-Date"] = []string{at}
	if k.Token != "" {
		h["X-Amz-Security-Token"] = []string{k.Token}
	}
	heads, names := canonicalHeaders(u.Host, h)
	request := strings.Join([]string{
		method, canonicalPath(u.EscapedPath()), canonicalQuery(u), heads, names, hash(body),
	}, "\n")
	scope := at[:dayLength] + "/" + s.Region + "/" + s.Service + "/aws4_request"
	text := strings.Join([]string{algorithm, at, scope, hash([]byte(request))}, "\n")
	key := []byte("AWS4" + k.Secret)
	for _, part := range strings.Split(scope, "/") {
		key = sum(key, part)
	}
	h["Authorization"] = []string{
		algorithm + " Credential=" + k.ID + "/" + scope + ", SignedHeaders=" + names +
			", Signature=" + hex.EncodeToString(sum(key, text)),
	}
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// canonicalHeaders are those that are signed, one a line, and their names.
func canonicalHeaders(host string, h http.Header) (lines, names string) {
	signed := []string{"host"}
	values := map[string]string{"host": host}
	for name, v := range h {
		if lower := strings.ToLower(name); lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			signed = append(signed, lower)
			values[lower] = strings.Join(strings.Fields(strings.Join(v, ",")), " ")
		}
	}
	slices.Sort(signed)
	var b strings.Builder
	for _, name := range signed {
		b.WriteString(name + ":" + values[name] + "\n")
	}
	return b.String(), strings.Join(signed, ";")
}

// canonicalPath escapes a path that is escaped already.
func canonicalPath(escaped string) string {
	if escaped == "" {
		return "/"
	}
	return escape(escaped, "/")
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escape(name, "")+"="+escape(v, ""))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape writes each byte that is not unreserved, and not in but, as %XY.
func escape(s, but string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("-._~", c) >= 0, strings.IndexByte(but, c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

package wall

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a signature's time may be from now, as
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html says.
const maxSkew = 5 * time.Minute

// signed checks a request's signature of Version 4 against what has arrived: the request line, the headers and the
// body. The key is ID:SECRET or ID:SECRET:TOKEN. It is written from
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, apart from the router's own.
func signed(r *http.Request, body []byte, key, region, service string) error {
	parts := strings.SplitN(key, ":", 3)
	id, secret := parts[0], parts[1]
	scope, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	said := map[string]string{}
	for i, field := range strings.Split("Credential="+scope, ", ") {
		name, value, found := strings.Cut(field, "=")
		if ok = ok && found; i > 2 {
			ok = false
		}
		said[name] = value
	}
	if !ok {
		return fmt.Errorf("IncompleteSignatureException: Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters")
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > maxSkew {
		return fmt.Errorf("InvalidSignatureException: Signature expired: %s", r.Header.Get("X-Amz-Date"))
	}
	day := at.Format("20060102")
	if want := strings.Join([]string{id, day, region, service, "aws4_request"}, "/"); said["Credential"] != want {
		return fmt.Errorf("UnrecognizedClientException: The security token included in the request is invalid: %s", said["Credential"])
	}
	names := strings.Split(said["SignedHeaders"], ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") {
		return fmt.Errorf("InvalidSignatureException: 'Host' must be a 'SignedHeader' in the AWS Authorization")
	}
	heads := ""
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		heads += name + ":" + strings.Join(strings.Fields(value), " ") + "\n"
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(names, lower) {
			return fmt.Errorf("InvalidSignatureException: %s is not signed", name)
		}
	}
	if token := r.Header.Get("X-Amz-Security-Token"); len(parts) == 3 != (token != "") || len(parts) == 3 && token != parts[2] {
		return fmt.Errorf("UnrecognizedClientException: The security token included in the request is invalid")
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	pairs := strings.Split(query, "&")
	slices.Sort(pairs)
	sum := sha256.Sum256(body)
	request := strings.Join([]string{
		r.Method, strings.ReplaceAll(url.QueryEscape(path), "%2F", "/"), strings.Join(pairs, "&"), heads, said["SignedHeaders"], hex.EncodeToString(sum[:]),
	}, "\n")
	sum = sha256.Sum256([]byte(request))
	text := "AWS4-HMAC-SHA256\n" + at.Format("20060102T150405Z") + "\n" + strings.Join([]string{day, region, service, "aws4_request"}, "/") + "\n" + hex.EncodeToString(sum[:])
	k := []byte("AWS4" + secret)
	for _, part := range []string{day, region, service, "aws4_request", text} {
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(part))
		k = mac.Sum(nil)
	}
	if hex.EncodeToString(k) != said["Signature"] {
		return fmt.Errorf("InvalidSignatureException: The request signature we calculated does not match the signature you provided")
	}
	return nil
}

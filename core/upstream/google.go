package upstream

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

const (
	// googleScope is that of all of Google's clouds, Vertex AI among them.
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
	// googleGrant and googleLife are RFC 7523's exchange as
	// https://developers.google.com/identity/protocols/oauth2/service-account
	// has it: an assertion is good for an hour at most.
	googleGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	googleLife  = time.Hour
	// renewBefore is how long before its end a token is renewed behind those who
	// use it, and lastUse how long before it nobody uses it any more: at most,
	// for one with a short life is used for some of it too.
	renewBefore = 5 * time.Minute
	lastUse     = 30 * time.Second
	// refusedFor is how long nobody asks again who was refused a token.
	refusedFor = time.Second
	// maxToken is the longest answer with a token, in bytes.
	maxToken = 64 << 10
)

// google keeps the access tokens of service accounts, by the account's key file.
type google struct {
	pools  *pools
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]*googleToken
}

// googleToken is one account's token. Whoever needs one waits for the same flight.
type googleToken struct {
	text    string
	renew   time.Time // when the next one is fetched
	ends    time.Time // when it is used no more
	refused error     // the last flight's, until
	until   time.Time
	flight  chan struct{} // closed when it has landed; nil: there is none
}

// token is an access token that is good for a while.
func (g *google) token(ctx context.Context, c *config.Channel, keyFile string) (string, error) {
	id := sha256.Sum256([]byte(keyFile))
	for {
		g.mu.Lock()
		if g.tokens == nil {
			g.tokens = make(map[[sha256.Size]byte]*googleToken)
		}
		t := g.tokens[id]
		if t == nil {
			t = &googleToken{}
			g.tokens[id] = t
		}
		now := time.Now()
		if now.After(t.renew) && t.flight == nil && now.After(t.until) {
			t.flight = make(chan struct{})
			go g.fly(t, c, keyFile)
		}
		text, good, refused, flight := t.text, now.Before(t.ends), t.refused, t.flight
		g.mu.Unlock()
		switch {
		case good:
			return text, nil
		case flight == nil:
			return "", refused
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// forget drops a token that turned out to be over.
func (g *google) forget(keyFile string) {
	id := sha256.Sum256([]byte(keyFile))
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.tokens[id]; t != nil && t.flight == nil {
		delete(g.tokens, id)
	}
}

// fly gets a token for all who wait. None of them can end it; the time-out of a
// connection does, which is long for so small an answer.
func (g *google) fly(t *googleToken, c *config.Channel, keyFile string) {
	ctx, cancel := bounded(context.Background(), c.Timeouts.Connect)
	defer cancel()
	text, life, err := g.exchange(ctx, c, keyFile)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if t.refused = err; err != nil {
		t.refused, t.until = fmt.Errorf("no access token from Google: %w", err), now.Add(refusedFor)
	} else {
		t.text, t.renew, t.ends = text, now.Add(life-min(renewBefore, life/2)), now.Add(life-min(lastUse, life/4))
	}
	close(t.flight)
	t.flight = nil
}

// accountKey is a service account's key file.
type accountKey struct {
	Type       string `json:"type"`
	Email      string `json:"client_email"`
	KeyID      string `json:"private_key_id"`
	PrivateKey string `json:"private_key"`
	TokenURI   string `json:"token_uri"`
}

// exchange gives a signed assertion for a token.
func (g *google) exchange(ctx context.Context, c *config.Channel, keyFile string) (token string, life time.Duration, err error) {
	var k accountKey
	if json.Unmarshal([]byte(keyFile), &k) != nil || k.Type != "service_account" {
		return "", 0, errors.New(`the channel's api_key is no key file of a service account; write api_key = file("key.json")`)
	}
	to, err := g.pools.route(k.TokenURI, c)
	if err != nil || !secure(to.url) {
		return "", 0, errors.New("the key file's token_uri is no https address")
	}
	assertion, err := k.assertion(time.Now())
	if err != nil {
		return "", 0, err
	}
	form := []byte(url.Values{"grant_type": {googleGrant}, "assertion": {assertion}}.Encode())
	req := &http.Request{
		Method: http.MethodPost, URL: to.url, Host: to.url.Host,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {agent}, "Accept-Encoding": {"identity"}},
		Body:   io.NopCloser(bytes.NewReader(form)), ContentLength: int64(len(form)),
	}
	place, err := to.pool.take(ctx, c.Timeouts.Pool)
	if err != nil {
		return "", 0, err
	}
	defer place.give()
	var info connInfo
	answer, err := to.pool.send(ctx, req, &info)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	body, err := readUpTo(answer.Body, maxToken)
	if err != nil {
		return "", 0, err
	}
	var said struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
		Error   string  `json:"error"`
		Why     string  `json:"error_description"`
	}
	_ = json.Unmarshal(body, &said) // what is no JSON says nothing
	if answer.StatusCode != http.StatusOK || said.Token == "" {
		return "", 0, fmt.Errorf("%d %s", answer.StatusCode, shorten(scrub(strings.TrimSpace(said.Error+" "+said.Why), assertion), 200))
	}
	life = googleLife
	if said.Seconds > 0 && said.Seconds < googleLife.Seconds() {
		life = time.Duration(said.Seconds * float64(time.Second))
	}
	return said.Token, life, nil
}

// secure tells whether nobody on the way can read what is sent there.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.IsLoopback()
}

// assertion is a JWT (RFC 7519) signed with RS256, by which the account asks
// for a token.
func (k *accountKey) assertion(now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(k.PrivateKey))
	if block == nil {
		return "", errors.New("the key file's private_key is no PEM")
	}
	key, err := rsaKey(block.Bytes)
	if err != nil {
		return "", err
	}
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": k.KeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": k.Email, "scope": googleScope, "aud": k.TokenURI, "iat": now.Unix(), "exp": now.Add(googleLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// rsaKey reads a private key in PKCS #8, as Google writes it, or in PKCS #1.
func rsaKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := key.(*rsa.PrivateKey); ok {
			return k, nil
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("the key file's private_key is no RSA key")
}

package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Keys are the API keys that callers may use, kept as HMAC-SHA256 digests: a
// look-up by digest takes the same time for every wrong key.
//
// A configuration holds a key's SHA-256 where the key need not be written down.
// It is the same on every router, and safe with no secret in it as the keys
// that [NewKey] makes have 256 random bits, which nobody guesses. Digests that
// were made with a router's pepper still serve, on that router.
type Keys struct {
	// macs are HMACs with the pepper. One that was used before costs a third.
	macs  sync.Pool
	names map[digest]string
	// hashed are those whose SHA-256 is given, by the digest of that.
	hashed map[digest]string
	// regions of the callers who have one, by name.
	regions map[string]string
}

type digest [sha256.Size]byte

// NewKeys keeps the configured keys. The pepper is the router's own secret of
// at least 32 bytes.
func NewKeys(pepper []byte, keys []*config.Key) (*Keys, error) {
	k := &Keys{
		macs:  sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, pepper)} }},
		names: make(map[digest]string, len(keys)), hashed: make(map[digest]string), regions: make(map[string]string),
	}
	for _, c := range keys {
		text, hashed := strings.CutPrefix(c.Digest, config.HashedKey)
		var d digest
		switch n, err := hex.Decode(d[:], []byte(text)); {
		case c.Digest == "":
			k.names[k.digest(c.Secret.Reveal())] = c.Name
		case err != nil || n != len(d):
			return nil, fmt.Errorf("key %q: the digest is not %d hex digits", c.Name, 2*len(d))
		case hashed:
			k.hashed[k.digest(string(d[:]))] = c.Name
		default:
			k.names[d] = c.Name
		}
		if c.Region != "" {
			k.regions[c.Name] = c.Region
		}
	}
	return k, nil
}

// keyBytes of randomness in a new API key.
const keyBytes = 32

// NewKey makes an API key, and what a configuration may hold in place of it.
func NewKey() (key, digest string) {
	b := make([]byte, keyBytes)
	rand.Read(b) // never fails
	key = "sr-" + base64.RawURLEncoding.EncodeToString(b)
	d := sha256.Sum256([]byte(key))
	return key, config.HashedKey + hex.EncodeToString(d[:])
}

// mac is an HMAC with room for what it reads and says.
type mac struct {
	hash.Hash
	in  []byte
	out digest
}

// digest is by the pepper, so that callers can't choose it.
func (k *Keys) digest(text string) digest {
	m := k.macs.Get().(*mac)
	m.Reset()
	m.in = append(m.in[:0], text...)
	m.Write(m.in)
	clear(m.in) // it is a key
	m.Sum(m.out[:0])
	d := m.out
	k.macs.Put(m)
	return d
}

// Required reports whether callers need a key.
func (k *Keys) Required() bool { return len(k.names)+len(k.hashed) > 0 }

// Has reports whether a caller of this name may ask; the empty one is whoever
// has no key.
func (k *Keys) Has(name string) bool {
	if name == "" {
		return !k.Required()
	}
	for _, names := range []map[digest]string{k.names, k.hashed} {
		for _, n := range names {
			if n == name {
				return true
			}
		}
	}
	return false
}

// Region of the caller of this name; empty: the configuration gives none.
func (k *Keys) Region(name string) string { return k.regions[name] }

// Name of the caller whose key this is. The maps are searched by digests that
// callers can't choose, so their timing tells nothing about the keys.
func (k *Keys) Name(key string) (string, bool) {
	if len(k.hashed) > 0 {
		d := sha256.Sum256([]byte(key))
		if name, ok := k.hashed[k.digest(string(d[:]))]; ok {
			return name, true
		}
	}
	name, ok := k.names[k.digest(key)]
	return name, ok
}

package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Keys are the API keys that callers may use, kept as HMAC-SHA256 digests: a
// look-up by digest takes the same time for every wrong key.
type Keys struct {
	pepper []byte
	names  map[[sha256.Size]byte]string
	// regions of the callers who have one, by name.
	regions map[string]string
}

// NewKeys keeps the configured keys. The pepper is the router's own secret of
// at least 32 bytes.
func NewKeys(pepper []byte, keys []*config.Key) (*Keys, error) {
	k := &Keys{pepper: pepper, names: make(map[[sha256.Size]byte]string, len(keys)), regions: make(map[string]string)}
	for _, c := range keys {
		var d [sha256.Size]byte
		if c.Digest != "" {
			if n, err := hex.Decode(d[:], []byte(c.Digest)); err != nil || n != len(d) {
				return nil, fmt.Errorf("key %q: the digest is not %d hex digits", c.Name, 2*len(d))
			}
		} else {
			d = k.digest(c.Secret.Reveal())
		}
		k.names[d] = c.Name
		if c.Region != "" {
			k.regions[c.Name] = c.Region
		}
	}
	return k, nil
}

// Digest is what a configuration may hold in place of a key.
func (k *Keys) Digest(key string) string {
	d := k.digest(key)
	return hex.EncodeToString(d[:])
}

func (k *Keys) digest(key string) (d [sha256.Size]byte) {
	h := hmac.New(sha256.New, k.pepper)
	h.Write([]byte(key))
	h.Sum(d[:0])
	return d
}

// Required reports whether callers need a key.
func (k *Keys) Required() bool { return len(k.names) > 0 }

// Has reports whether a caller of this name may ask; the empty one is whoever
// has no key.
func (k *Keys) Has(name string) bool {
	if name == "" {
		return !k.Required()
	}
	for _, n := range k.names {
		if n == name {
			return true
		}
	}
	return false
}

// Region of the caller of this name; empty: the configuration gives none.
func (k *Keys) Region(name string) string { return k.regions[name] }

// Name of the caller whose key this is. The map is searched by a digest that
// callers can't choose, so its timing tells nothing about the keys.
func (k *Keys) Name(key string) (string, bool) {
	name, ok := k.names[k.digest(key)]
	return name, ok
}

package config

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// hashKey makes a weak secret impossible to guess from a hash. It lives as
// long as the process.
var hashKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it ends the program rather than fail
	return key
})

// hash sets the hashes of the plugins in use and of the whole.
func (l *loader) hash() {
	c := l.cfg
	for _, p := range c.Plugins {
		plain := *p
		plain.Hash = ""
		p.Hash = keyed(hashKey(), plain, map[string]string(p.Env), l.dumps[p])
	}
	for _, ch := range c.Channels {
		ch.hash = keyed(hashKey(), ch, ch.Secret.Reveal())
	}
	c.dumps = l.dumps
	c.Hash = c.Fingerprint(hashKey())
}

// Keep takes over from the configuration before this one the channels that are
// still the same, by identity: what is known of them hangs on that.
func (c *Config) Keep(last *Config) {
	before := make(map[string]*Channel, len(last.Channels))
	for _, ch := range last.Channels {
		before[ch.Name] = ch
	}
	for i, ch := range c.Channels {
		if was := before[ch.Name]; was != nil && was != ch && was.hash == ch.hash {
			c.Channels[i] = was
		}
	}
}

// Fingerprint is a hash like Hash, by a key of the caller's: equal for equal
// configurations as long as the key is.
func (c *Config) Fingerprint(key []byte) string {
	plain := *c
	plain.Path, plain.Hash, plain.Warnings = "", "", nil
	// In JSON each of these is "***".
	secrets := make([]string, 0, len(c.Channels)+len(c.Keys))
	for _, ch := range c.Channels {
		secrets = append(secrets, ch.Secret.Reveal())
	}
	for _, k := range c.Keys {
		secrets = append(secrets, k.Secret.Reveal())
	}
	js, err := json.Marshal(&plain)
	if err != nil {
		panic(fmt.Sprintf("config: as JSON: %v", err)) // these types are ours
	}
	parts := []any{secrets, map[string]string(c.Telemetry.Headers)}
	for _, p := range c.Plugins {
		// The plugins' own hashes are by the process's key. What they are made of
		// that is not in the JSON follows it.
		js = bytes.ReplaceAll(js, []byte(p.Hash), nil)
		parts = append(parts, map[string]string(p.Env), c.dumps[p])
	}
	return keyed(key, append(parts, json.RawMessage(js))...)
}

// keyed is the HMAC of values as JSON.
func keyed(key []byte, values ...any) string {
	mac := hmac.New(sha256.New, key)
	enc := json.NewEncoder(mac)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			panic(fmt.Sprintf("config: hash of %T: %v", v, err)) // these types are ours
		}
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// canonical is a value as JSON, the same however it was written.
func canonical(v cty.Value) json.RawMessage {
	js, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		panic(fmt.Sprintf("config: %s as JSON: %v", v.Type().FriendlyName(), err)) // known and unmarked, so it has one
	}
	return js
}

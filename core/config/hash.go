package config

import (
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
		p.Hash = keyed(plain, map[string]string(p.Env), l.dumps[p])
	}
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
	c.Hash = keyed(plain, secrets, map[string]string(c.Telemetry.Headers))
}

// keyed is the HMAC of values as JSON.
func keyed(values ...any) string {
	mac := hmac.New(sha256.New, hashKey())
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

package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// accounts makes the fingerprints of accounts for the store. The credential is
// in one, and can't be found from it.
//
// In a store of this router's own that is an HMAC by its pepper. Routers that
// share a store must come to the same, with no secret in common but the
// credentials themselves, and a key to guess them by has no place beside what it
// protects: so there it is a password hash, and each guess costs what hashing it
// does here. Provider and address are its salt.
type accounts struct {
	pepper []byte
	shared atomic.Bool

	mu    sync.Mutex
	known map[string]string // by the HMAC
}

// The costs of Argon2id that OWASP recommends: about 30 ms and 19 MiB.
const (
	hashPasses  = 2
	hashMemory  = 19 << 10 // KiB
	hashThreads = 1
	hashBytes   = 16
)

func newAccounts(pepper []byte) *accounts {
	return &accounts{pepper: pepper, known: make(map[string]string)}
}

// share says whether other routers may have the same store.
func (a *accounts) share(shared bool) { a.shared.Store(shared) }

// fingerprint is a board.Fingerprint.
func (a *accounts) fingerprint(c *config.Channel) string {
	own := hmac.New(sha256.New, a.pepper)
	salt := sha256.New()
	for _, part := range []string{c.Provider.Name, c.BaseURL} {
		fmt.Fprintf(own, "%d:%s", len(part), part)
		fmt.Fprintf(salt, "%d:%s", len(part), part)
	}
	secret := c.Secret.Reveal()
	fmt.Fprintf(own, "%d:%s", len(secret), secret)
	id := hex.EncodeToString(own.Sum(nil))
	if !a.shared.Load() {
		return id
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	print, ok := a.known[id]
	if !ok {
		print = hex.EncodeToString(argon2.IDKey([]byte(secret), salt.Sum(nil), hashPasses, hashMemory, hashThreads, hashBytes))
		a.known[id] = print
	}
	return print
}

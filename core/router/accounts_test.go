package router

import (
	"bytes"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
)

func TestFingerprintsOfAccounts(t *testing.T) {
	t.Parallel()
	at := func(provider, url, secret string) *config.Channel {
		return &config.Channel{Name: "any", Provider: &config.Provider{Name: provider}, BaseURL: url, Secret: config.Secret(secret)}
	}
	first, second := bytes.Repeat([]byte{1}, secretBytes), bytes.Repeat([]byte{2}, secretBytes)
	a := at("openai", "https://api/v1", "sk-credential")
	for _, shared := range []bool{false, true} {
		of := func(pepper []byte) *accounts {
			a := newAccounts(pepper)
			a.share(shared)
			return a
		}
		one, two := of(first), of(second)
		if same := one.fingerprint(a) == two.fingerprint(a); same != shared {
			t.Errorf("shared %t: two routers have the same fingerprint: %t", shared, same)
		}
		if one.fingerprint(a) != of(first).fingerprint(a) {
			t.Errorf("shared %t: another after a restart", shared)
		}
		seen := map[string]bool{one.fingerprint(a): true}
		for _, other := range []*config.Channel{
			at("openai", "https://api/v1", "sk-another"), at("openai", "https://api/v2", "sk-credential"),
			at("azure", "https://api/v1", "sk-credential"), at("openai", "https://api/v1sk-", "credential"), at("openai", "https://api/v1", ""),
		} {
			print := one.fingerprint(other)
			if seen[print] || strings.Contains(print, "credential") {
				t.Errorf("shared %t: %s is that of another", shared, print)
			}
			seen[print] = true
		}
	}
}

package server_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/server"
)

func pepper(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// A digest in the configuration lets its key in on every router, and nothing
// else: not the digest itself, in whatever form.
func TestDigestOpensEveryRouter(t *testing.T) {
	t.Parallel()
	key, digest := server.NewKey()
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, config.HashedKey))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := server.NewKey()
	for _, router := range []byte{1, 2} {
		keys, err := server.NewKeys(pepper(router), []*config.Key{
			{Name: "alice", Digest: digest, Region: "eu-west-1"},
			{Name: "bob", Secret: "a secret that is long"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			what, key, name string
		}{
			{"the key", key, "alice"},
			{"a secret", "a secret that is long", "bob"},
			{"another key", other, ""},
			{"the digest", digest, ""},
			{"the digest in hex", hex.EncodeToString(raw), ""},
			{"the digest in bytes", string(raw), ""},
			{"nothing", "", ""},
		} {
			if name, ok := keys.Name(tt.key); name != tt.name || ok != (tt.name != "") {
				t.Errorf("router %d, %s: it is %q", router, tt.what, name)
			}
		}
		if !keys.Required() || !keys.Has("alice") || !keys.Has("bob") || keys.Has("") || keys.Region("alice") != "eu-west-1" {
			t.Errorf("router %d does not know its callers", router)
		}
	}
}

func benchKeys(t testing.TB) *server.Keys {
	k, err := server.NewKeys(make([]byte, 32), []*config.Key{{Name: "a", Secret: "sk-a"}, {Name: "b", Secret: "sk-b"}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Many callers at once are told apart.
func TestCallersAtOnce(t *testing.T) {
	k := benchKeys(t)
	var all sync.WaitGroup
	for name, key := range map[string]string{"a": "sk-a", "b": "sk-b", "": "sk-c"} {
		for range 4 {
			all.Go(func() {
				for range 500 {
					if got, ok := k.Name(key); got != name || ok != (name != "") {
						t.Errorf("%s is %q", key, got)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

func BenchmarkName(b *testing.B) {
	k := benchKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		k.Name("sk-a")
	}
}

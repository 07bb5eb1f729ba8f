package redis

import (
	_ "embed" // of the scripts
	"net/url"
	"sync"

	"github.com/redis/rueidis"
)

var (
	//go:embed scripts/prelude.lua
	prelude string
	//go:embed scripts/put.lua
	putText string
	//go:embed scripts/delete.lua
	deleteText string
	//go:embed scripts/add.lua
	addText string
	//go:embed scripts/changes.lua
	changesText string
	//go:embed scripts/sweep.lua
	sweepText string
	//go:embed scripts/stats.lua
	statsText string
)

// scripts are each known to Redis by its digest, and sent whole to one that has not
// seen it yet. They are made at the first call: other processes run this program, too.
var scripts = sync.OnceValue(func() (s struct{ put, delete, add, changes, sweep, stats *rueidis.Lua }) {
	s.put = rueidis.NewLuaScript(prelude + putText)
	s.delete = rueidis.NewLuaScript(prelude + deleteText)
	s.add = rueidis.NewLuaScript(prelude + addText)
	s.changes = rueidis.NewLuaScript(prelude + changesText)
	s.sweep = rueidis.NewLuaScript(prelude + sweepText)
	s.stats = rueidis.NewLuaScript(prelude + statsText)
	return s
})

// names are those of the keys in Redis: what they begin with.
type names string

// meta is the hash of what holds for all namespaces. The scripts make the other
// names of it.
func (n names) meta() string { return string(n) + "meta" }

// entry is as entryOf in scripts/prelude.lua.
func (n names) entry(namespace, key string) string {
	return string(n) + "entry:" + escape(namespace) + ":" + key
}

// escape writes a namespace without a colon, so that it ends where its name
// does.
func escape(namespace string) string { return url.QueryEscape(namespace) }

func unescape(name string) (string, error) { return url.QueryUnescape(name) }

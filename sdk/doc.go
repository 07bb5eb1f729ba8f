// Package sdk is what the author of a plugin sees.
//
// A plugin is a program whose main calls [Serve] with a [Plugin]: a name, a
// version, and an implementation of one or more kinds.
//
//	selector.go    Selector: which targets a request goes to, and in what order
//	prechecker.go  Prechecker: is a target reachable before it gets a request
//	prober.go      Prober: how a channel does, found out behind the requests
//	cache.go       Cache: a store with a time to live
//	adapter.go     Adapter: how a provider is spoken to
//	guard.go       Guard: may a request pass, as it is or edited; prompt.go: what it reads
//	observer.go    Observer: what became of requests, in batches
//
//	request.go     Request and its facts
//	candidate.go   Channel, Candidate
//	candidates.go  telling candidates apart: Where, Split, SortedBy, Cost, Fits
//	plan.go        Plan, Tier, Pick, and how to make them
//	lease.go       Lease: how long an answer may be used again
//	upstream.go    Upstream: the router's HTTP client, lent to plugins
//	errors.go      Unsupported
//	translator.go  adapters that translate a format of their own
//	secret.go      Secret, which never prints
//
//	serve.go       Plugin, its life cycle, Serve
//	schema.go      a config block's schema, from struct tags
//	decode.go      and the filling of the struct
//	manifest.go    Manifest: what a plugin says of itself
//	fact.go        the facts' names
//	byhand.go      what the program says to a person who starts it
//	debug.go       and what it does when the author starts it for a debugger
//	process.go     stdout, signals, the host's end, the log
//	server.go      the plugin's half of the contract; rpc_<kind>.go: each kind's,
//	               rpc.go: what these share
//
// The package imports nothing of the router but its own folder. The contract on
// the wire is in sdk/proto, and any language can serve it; sdk/lane carries it in
// batches between Go processes, over sockets that sdk/nowait reads and writes,
// sdk/host is the router's half, sdk/conform checks a plugin against it, and
// sdk/plugintest runs a plugin in a test as the router would. sdk/region knows how
// far clouds are from each other.
package sdk

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
//
//	request.go     Request and its facts
//	candidate.go   Channel, Candidate
//	plan.go        Plan, Tier, Pick, and how to make them
//	lease.go       Lease: how long an answer may be used again
//	schema.go      config blocks from struct tags
//	upstream.go    Upstream: the router's HTTP client, lent to plugins
//	serve.go       Plugin, Serve
//
// The package imports nothing else of the router. The contract on the wire is
// in sdk/proto, and any language can serve it; sdk/plugintest runs a plugin in
// a test as the router would.
package sdk

// Package server is what clients and operators talk to.
//
//	server.go     Server: routes, listeners, drain
//	state.go      State: what one configuration runs on; swapped whole
//	users.go      who still needs a state that was replaced
//	region.go     where a caller is
//	guard.go      who may ask: hosts, origins, API keys
//	keys.go       API keys as digests
//	entries.go    where clients of each wire format come in; shortcut.go: past mux
//	handle.go     a request from its first byte to its last
//	ids.go        a decision's id
//	record.go     what decision records are made of, record_metrics.go and
//	              observe_metrics.go: what became of them
//	explain.go    a dry run of a request
//	forms.go      answers from the cache, share.go: from an equal request's call
//	responses.go  responses by their id, pins.go: which channel made which
//	batches.go    files and batches, lines.go: how a line of a batch is run,
//	              batch_metrics.go
//	body.go       reading a request's body once
//	load.go       what the router has on its hands, and when that is enough
//	door.go       how many clients are let in
//	models.go     /v1/models
//	fail.go       errors in OpenAI's shape
//	admin.go      the operator's listener, reload.go: another configuration,
//	              plan.go: what it would change, plugins.go: orders about plugins
//	channels.go   how the channels do, bans.go: bans by hand
//	metrics.go    what is counted, ban_metrics.go: of bans, which are logged too,
//	              usage_metrics.go: of tries, tokens and costs, fleet_metrics.go:
//	              of what routers share
//	meters.go     the figures by channel and model, found once for all requests
//	stats.go      GET /admin/stats, sketch.go: its percentiles, sides.go: canaries
//	              and shadows in figures
//	caches.go     what is remembered in it, by kind; cache_metrics.go: the same for Prometheus
//
// It is the only importer of mux.
package server

// Package server is what clients and operators talk to.
//
//	server.go     Server: routes, listeners, drain
//	state.go      State: what one configuration runs on; swapped whole
//	guard.go      who may ask: hosts, origins, API keys
//	keys.go       API keys as digests
//	handle.go     a request from its first byte to its last
//	forms.go      answers from the cache, share.go: from an equal request's call
//	responses.go  responses by their id, pins.go: which channel made which
//	batches.go    files and batches, lines.go: how a line of a batch is run,
//	              batch_metrics.go
//	body.go       reading a request's body once
//	load.go       what the router has on its hands, and when that is enough
//	door.go       how many clients are let in
//	models.go     /v1/models
//	fail.go       errors in OpenAI's shape
//	admin.go      the operator's listener
//	channels.go   how the channels do, bans.go: bans by hand
//	metrics.go    what is counted, ban_metrics.go: of bans, which are logged too,
//	              usage_metrics.go: of tries, tokens and costs
//	meters.go     the figures by channel and model, found once for all requests
//	stats.go      GET /admin/stats, sketch.go: its percentiles
//
// It is the only importer of mux.
package server

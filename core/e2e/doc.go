// Package e2e tests the whole: the router's binary with its plugins' processes,
// real sockets, and the official clients, before providers that are simulated.
//
// router_test.go starts a router and asks it, for all others. The folder wall is
// a provider that refuses what the real one refuses and fails as it is told to;
// clients are programs of the official SDKs; testdata is what else a test starts
// or loads. Files are named after what they hold, without _test.go:
//
//	clients, clients_direct, openai_go, anthropic_go   official clients, through the
//	                        router and without it
//	formats, responses, responses_formats, custom_tools, endpoints, usage   wire
//	                        formats, each from and to each
//	azure, bedrock, cohere, gemini, ollama, vertex     providers
//	channels, health, precheck, bans, rescue, regions  where requests go, and what
//	                        is known of the channels
//	cache, caches, dedupe   answers that are used again
//	guard, observer, selectors, record   what plugins decide, and what is told of it
//	server, cli, watch, stats, telemetry, prometheus   listeners, commands, figures
//	reload, reload_load, settings, plan   a changed configuration
//	batch, batch_run        batches
//	redis, many, balancer   routers that share a store
//	plugin_pins, limits, user   what plugins run as, and what they may use
//	scaffold, dev, examples, readme, docs, seed   what authors and readers are told
//	promises, failoverbench, overload, and raw for bare sockets   what holds under load
//	plugin_faults, upstream_faults, network_faults, client_faults, machine_faults,
//	smuggling               faults by number: docs/faults.md
package e2e

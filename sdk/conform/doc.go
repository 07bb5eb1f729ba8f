// Package conform checks a plugin against the contract: it runs the plugin's
// program as the router would, asks it, troubles it, and says what a router
// would have to put up with. [Run] is behind `smartrouter plugin test` and
// plugintest.Conform; it imports no package testing.
//
//	conform.go   Run: the order of the checks
//	report.go    Result, Report: what was found, for people and as JSON
//	limits.go    how long things may take
//	process.go   one process of the plugin, from its handshake to its end
//	output.go    what it prints
//	proc.go      what can be seen of it from outside: memory, files, children
//	session.go   a configured process, asked over the lane or by unary calls
//	upstream.go  the HTTP client that is lent to it
//	asker.go     how each kind is asked; ask_<kind>.go: the questions
//	witness.go   answers as they are on the wire: sizes, leases
//
// The checks, in the order in which they are made:
//
//	start.go     handshake, manifest, protocol versions
//	settings.go  the config block: mistakes are found, and have their place
//	calls.go     latency, sameness, time limits, cancelled calls, 1,000 at once
//	input.go     garbage, odd values, 5 MiB
//	facts.go     a selector's facts: what it reads, it declares
//	leaks.go     10,000 calls leave nothing behind
//	end.go       goodbye, kill -9, signals, the router's death
//
// Where a check measures time, it compares with what would hurt a router by
// far, since the machine may be busy; the figures are in the report.
package conform

// Package upstream carries a plan out: it sends a request to one target after
// the other until one answers, and hands the answer to the client.
//
//	dispatcher.go  Dispatcher, and what it needs of others
//	call.go        Call in, Outcome out
//	forward.go     the way over the targets: next one, second chance
//	queue.go       waiting for a target that is full
//	overflow.go    models that a request is too long for
//	rescue.go      going on with a stream that broke off
//	attempt.go     one try at one target
//	judge.go       what a failure means, and what the client is told
//	answer.go      whole answers and those that pass through
//	stream.go      streams of events
//	way.go         targets that speak another wire format than the client
//	bring.go       images and files whose bytes they need
//	own.go         formats that their adapters translate
//	translate.go   their streams
//	client.go      the client's side: commit, headers, keep-alive comments
//	watch.go       the request's one timer
//	outgoing.go    the request's body on its way to a target
//	header.go      which headers go which way
//	google.go      access tokens of Google's service accounts
//	pool.go        connections by channel and origin
//	idle.go        how many of them stay open
//	warm.go        connections that are there before the first request
//	transport.go   the HTTP client, behind one small seam
//	h1transport.go our own one, for HTTP/1.1
//	fetch.go       what is at a client's URL, and which addresses it may lead to
//	guard.go       which addresses a name may stand for
//	lend.go        the client that plugins may use
//	pass.go        requests about what one channel keeps
//	quiet.go       how often the log says the same
//
// A response is committed with its first content. Until then any failure means
// the next target; afterwards another target goes on with a stream where it
// repeats what the client knows, or a failure ends the answer so that no client
// can take it for complete.
package upstream

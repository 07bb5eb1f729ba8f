// Package decision is the record of what became of a request: facts,
// candidates, plan, lease, attempts, outcome.
//
//	decision.go    Decision, whose JSON is what docs/decisions.md promises
//	desk.go        Desk: from the end of a request to those who follow decisions
//	file.go        File: records on a disk
//	feed.go        Feed: records for a plugin that observes, in batches
//	queue.go       what waits for either's worker
//	writer.go      a file's lines, and files put aside
//	read.go        records, read again
//	difference.go  how far two plans are from each other
//
// Nobody waits for a record. A request's goroutine leaves what it has on the
// desk, and a worker behind it makes the Decision of that. Where nobody follows
// decisions, nothing is left there.
package decision

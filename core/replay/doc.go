// Package replay asks another selector, or another configuration, what it would
// have chosen for recorded decisions: smartrouter replay.
//
//	replay.go   Run: from records to a report
//	subject.go  who is asked
//	figures.go  what follows from a choice, by the record's own figures
//	report.go   Report: what would change
//	gate.go     Gate: what may change
//
// The plugins are real processes, asked over real RPC, one record after the
// other. Nothing is sent to a model.
package replay

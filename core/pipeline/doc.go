// Package pipeline runs a request through its steps.
//
//	pipeline.go     Pipeline: the steps in file order, Run, Verdict
//	request.go      Request and its facts
//	choose.go       the selector step: set, lease, plan
//	precheck.go     the prechecker step
//	answers.go      the cache step: answers by the hash of their request
//	answer.go       a stored answer; wish.go: what a request says of the cache
//	index.go        which answers are stored, and the hot ones
//	keeping.go      the index and the writes, behind the requests
//	prepare.go      the call step: how a target is spoken to
//	health.go       the prober step, which runs behind the requests
//	table.go        the lease table
//	plan.go         Plan, compiled; Walk, carried out
//	generations.go  what a selector learns once of a view
//	explain.go      a dry run, step by step
//
// A step's plugin is another process. What it answers is leased, so that the
// common request asks none.
package pipeline

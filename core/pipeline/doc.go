// Package pipeline runs a request through its steps.
//
//	pipeline.go     Pipeline: the steps in file order, Run, Verdict
//	runner.go       a step in the pipelines that run it, before and after a reload
//	request.go      Request and its facts
//	inspect.go      the guard step
//	choose.go       the selector step: set, side, plan
//	side.go         one selector with its leases
//	canary.go       a second one for a share of the requests
//	shadow.go       one that is asked and not obeyed
//	precheck.go     the prechecker step
//	answers.go      the cache step: answers by the hash of their request
//	answer.go       a stored answer; wish.go: what a request says of the cache
//	index.go        which answers are stored, and the hot ones
//	keeping.go      the index and the writes, behind the requests
//	prepare.go      the call step: how a target is spoken to
//	translator.go   by whom, where the adapter has a format of its own
//	health.go       the prober step, which runs behind the requests
//	table.go        the lease table
//	memories.go     how much of what is leased is used, by kind
//	plan.go         Plan, compiled; Walk, carried out
//	generations.go  what a selector learns once of a view
//	record.go       a choice for decision records
//	replay.go       recorded decisions, asked again
//	explain.go      a dry run, step by step
//
// A step's plugin is another process. What it answers is leased, so that the
// common request asks none.
package pipeline

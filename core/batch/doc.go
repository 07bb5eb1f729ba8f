// Package batch keeps callers' files and works their batches off, as OpenAI's
// Files and Batches endpoints do.
//
//	batches.go   Batches: open, run, sweep, close; api.go: what callers ask of it
//	object.go    a batch as callers see it, and its errors
//	files.go     files: content and metadata, by owner
//	disk.go      files that are there whole or not at all
//	lines.go     the requests in a file, checked line by line
//	journal.go   what is known of a batch, one record after the other
//	work.go      a batch from its check to its end
//	dispatch.go  which line is next, and when a failed one is tried again
//	results.go   output and error files
//	form.go      a line for an endpoint that takes forms
//
// A line is run by a [Runner], as if its caller had sent it. What it answered
// is in the journal before it counts, so a router that is killed goes on with
// the lines that are not there: none is lost, none is recorded twice. A line
// that was under way when the router was killed is sent again, and its provider
// may bill it twice.
//
// The shapes are those of https://developers.openai.com/api/reference (files,
// batches), of https://developers.openai.com/api/docs/guides/batch and of the
// types that openai-go generates from the same specification. Of a line that
// failed the answer is in the error file, as response and not as error:
// https://github.com/openai/openai-openapi/issues/302.
package batch

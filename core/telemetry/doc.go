// Package telemetry sends traces and metrics by OTLP, where a telemetry block
// asks for it.
//
//	telemetry.go  Telemetry: exporters from the start to the last flush
//	trace.go      Request: the spans of a request and of its tries
//	metrics.go    the GenAI metrics
//	names.go      the names, all of them
//
// A request gets a span of its own, child of the caller's by traceparent, and
// every try at a target one below it. Without a telemetry block a *Telemetry is
// nil, and so is each *Request: their methods do nothing then.
//
// It is the only importer of OpenTelemetry.
package telemetry

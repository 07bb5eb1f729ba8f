// Package bedrock translates to and from Amazon Bedrock's Converse and
// ConverseStream, which no client of ours speaks: there is no In.
//
//	format.go    Format, and its rules by field
//	out.go       hub.Request -> a request
//	turns.go     its system prompt and messages
//	think.go     how much a model is to think, by its family
//	tools.go     its tools
//	answer.go    whole answers -> hub.Response
//	frames.go    the stream's framing, application/vnd.amazon.eventstream
//	reader.go    the stream -> the hub's events
//	native.go    Classify, Usage, Whole
//	fault.go     errors, and the exceptions in a stream
//
// The shapes are those of the Smithy model of bedrock-runtime, version
// 2023-09-30, as github.com/aws/aws-sdk-go-v2/service/bedrockruntime v1.63.13
// has it, and what its reference says of them:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
//
// The model and whether there is a stream are in the URL, which is the
// adapter's: https://HOST/model/MODEL/converse or converse-stream.
package bedrock

// Package wire knows what requests, answers and errors look like in bytes, and
// changes as few of these as it can. Where a client and a provider speak the
// same format, what one sends is what the other gets, but for spliced fields.
//
// The words that all formats share are here: [Request], [Class], [Progress],
// [Response], [Usage], [Error], [Failure]. The folders:
//
//   - rawjson: finds and splices top-level JSON fields without decoding.
//   - sse: cuts a stream into server-sent events and keeps their bytes.
//   - openai: OpenAI's own wire, JSON and multipart, which is also the hub that
//     other formats will be translated to and from. Streams that were cut off
//     are rescued there: whoever answers, the client gets OpenAI's chunks.
//
// A format's folder has the same shape each time: request.go (ReadRequest and
// what to change before it is sent on), stream.go (Classify an event),
// response.go (ReadResponse), fault.go (AppendError for a client), failure.go
// (ReadError of a provider).
//
// Nothing here does I/O, keeps state between requests or logs.
package wire

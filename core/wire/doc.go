// Package wire knows what requests, answers and errors look like in bytes, and
// changes as few of these as it can. Where a client and a provider speak the
// same format, what one sends is what the other gets, but for spliced fields.
// Where they do not, requests, answers and streams are translated to the hub and
// from there: OpenAI Chat, and what that can't say in extensions.
//
// The words that all formats share are here: [Request], [Class], [Progress],
// [Response], [Usage], [Error], [Failure]. The folders:
//
//   - rawjson: finds and splices top-level JSON fields without decoding.
//   - sse: cuts a stream into server-sent events and keeps their bytes.
//   - prompt: how long a prompt is, and the hash of its head.
//   - hub: the hub's types, and hub.Format: all that the core has to know of a
//     format. hub.Field are the things that a request may ask for, hub.Rule
//     what becomes of each at a format.
//   - formats: the table of all formats, and what needs all of them.
//   - openai, responses, anthropic ...: one folder for each format.
//   - wiretest: what tests hold each format to.
//
// A format's folder has the same shape each time:
//
//	doc.go       the map, and where the shapes are from
//	format.go    Format, a hub.Format, and its rules by field
//	facts.go     In.Facts: what routing needs of a client's request
//	in.go        In.Request: all of a client's request -> hub.Request
//	out.go       Out.Request: hub.Request -> the provider's request
//	answer.go    whole answers: Out.Response and In.Response
//	reader.go    Out.Reader: the provider's stream -> the hub's events
//	writer.go    In.Writer: the hub's events -> the client's stream
//	native.go    Classify, Usage, Whole: what is read of untouched answers
//	fault.go     In.Error, In.ErrorEvent, Failure: errors both ways
//	testdata     golden files
//
// A provider that takes the bytes of images and files and no URLs has the rule
// hub.Fetched for them: the core fetches what is there, within limits, before
// Out.Request, which then finds Data and Media, or the Text of a text file, in
// place of the URL. Out.Reads names URLs that such a provider reads itself.
//
// A format that only providers speak has no In, one that only clients speak no
// Out. The openai folder is older and larger: it also holds what works on the
// hub's own bytes, such as rescue (Transcript, Resume) and kept answers (Refit).
//
// Nothing here does I/O, keeps state between requests or logs.
package wire

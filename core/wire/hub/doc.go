// Package hub is what every wire format is translated to and from: OpenAI Chat,
// typed, and what that can't say kept in extensions, so that a request which
// comes in one format and leaves in the same has lost nothing.
//
//   - format.go: [Format], what a format's folder has to offer, and the
//     readers and writers of streams.
//   - request.go: [Request], its messages, their parts, its tools.
//   - field.go: [Field], all that a request may ask for; [Rule], what becomes of
//     that at a target; fields.go: which a request has.
//   - rules.go: [Check] of a request by a format's rules: what is refused, and
//     what is left out, with a warning.
//   - custom.go: custom tools at targets that have functions alone.
//   - fetch.go: parts at a URL whose bytes a target needs.
//   - response.go: [Response], a whole answer.
//   - signature.go: whose the signature of a thought is.
//   - chunk.go: [Chunk], one event of the hub's streams; number.go: which call is which.
//   - events.go: [Events], where readers write such events.
//
// Values are raw JSON where nobody has to look into them, and point into the
// bytes that they were read from.
package hub

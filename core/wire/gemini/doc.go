// Package gemini reads and writes Google's generateContent, of the Gemini API and
// of Vertex AI.
//
//   - format.go: [Format], [Array] and [One], and what becomes of each field at Gemini.
//   - facts.go: what routing needs of a client's request, and where it says which
//     model and method: in the path.
//   - in.go, contents.go: the whole of it; schema.go: its tools' schemas.
//   - out.go, turns.go: a request as Gemini takes it; thinking.go: how much it is
//     to think.
//   - answer.go: whole answers, both ways; finish.go: why they ended;
//     logprobs.go, grounding.go: what they say beside it.
//   - reader.go: a stream of Gemini's; writer.go: one for a client of its.
//   - native.go: what the core reads of answers that are passed on untouched.
//   - fault.go: errors both ways.
//   - signature.go: the signatures of thoughts.
//   - embeddings.go: embeddings, both ways.
//
// A client that streams without alt=sse gets one JSON array, whose elements come
// as they are made. Providers are always asked for events, so this is a format of
// its own, [Array], at the client's side alone; and so is [One] embedding, as
// they are always asked for a batch.
//
// Names may be written in snake_case too, as in all of Google's JSON
// (https://protobuf.dev/programming-guides/json).
//
// The shapes are those of https://ai.google.dev/api/generate-content, /api/caching,
// /api/tokens, /api/embeddings and /api/models, of the types in @google/genai 2.32
// (dist/genai.d.ts), and of the discovery document of Vertex AI (aiplatform
// v1beta1, revision 20250902, GoogleCloudAiplatformV1beta1GenerateContentRequest
// and Response).
package gemini

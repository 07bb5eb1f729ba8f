// Package rawjson reads and edits JSON by its bytes, without decoding it.
//
//   - scan.go: [Keys.Scan] checks in one pass that a body is one well-formed
//     object and says where the wanted top-level values are.
//   - validate.go: the strict grammar that Scan and [Valid] hold bytes to.
//   - unique.go: refuses a key that two parsers could take for the same.
//   - splice.go: [Splice] sets, defaults, renames and deletes top-level fields
//     by copying the bytes around them.
//   - patch.go: [Patch] edits by a JSON patch (RFC 6902), pointer.go: finds what
//     its pointers lead to.
//   - cursor.go: [Cursor] walks into values that are already known to be well
//     formed, or into a piece of JSON that was cut off.
//   - quote.go: JSON strings to Go strings and back; child.go: one value of an object.
//   - writer.go: [Writer] puts a new object together.
//
// Bytes that nobody asked to change leave exactly as they came, so fields that
// this version has never heard of survive.
package rawjson

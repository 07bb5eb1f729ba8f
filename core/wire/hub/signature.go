package hub

import "bytes"

// A signature is of use to its author alone. Those of all but Anthropic have the
// name of their format before them and a colon, which no base64 has in it: so no
// provider gets another's.

// Sign marks a signature as a format's.
func Sign(format string, signature Text) Text {
	if len(signature) == 0 {
		return nil
	}
	return append(append(append(make(Text, 0, len(format)+1+len(signature)), format...), ':'), signature...)
}

// SignedBy is a signature as its author gave it; nothing of another's.
func SignedBy(format string, signature Text) Text {
	rest, ok := bytes.CutPrefix(signature, []byte(format))
	if !ok || len(rest) == 0 || rest[0] != ':' {
		return nil
	}
	return Text(rest[1:])
}

// Marked tells whether a signature is one of those that have a format's name
// before them.
func Marked(signature Text) bool { return bytes.IndexByte(signature, ':') >= 0 }

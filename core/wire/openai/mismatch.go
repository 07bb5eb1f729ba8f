package openai

import "fmt"

// Why a second stream is no repetition of the first.
const (
	Differs       = "differs from the first"
	EndsEarly     = "ends before it has repeated the first"
	GoesOn        = "goes on where the first had ended"
	NotUnderstood = "has content that cannot be compared with the first"
	FailsToo      = "fails before it has repeated the first"
	Malformed     = "has an event that is no JSON object"
	TooLong       = "says too much else before it has repeated the first"
)

// Mismatch says why and where a second stream is no repetition of the first. It
// holds nothing of their content.
type Mismatch struct {
	Why    string // one of the texts above
	Part   string // the key of what differs, such as content; empty for the stream as a whole
	Choice int64  // the index of the choice that Part is of
	Call   int64  // the index of the tool call, where Part is of one
	Offset int    // how many bytes of the part, decoded, both have in common
}

func (m *Mismatch) Error() string {
	text := "openai: the second stream " + m.Why
	switch m.Part {
	case "":
		return text
	case "id", "name", "arguments":
		return fmt.Sprintf("%s: choice %d, tool call %d, %s, byte %d", text, m.Choice, m.Call, m.Part, m.Offset)
	}
	return fmt.Sprintf("%s: choice %d, %s, byte %d", text, m.Choice, m.Part, m.Offset)
}

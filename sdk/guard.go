package sdk

import (
	"context"
	"encoding/json"
)

// Guard looks at a request before anything else is decided about it.
type Guard interface {
	// Inspect is given the facts and, with the need and the grant [NeedPrompt],
	// the prompt. A guard that asks for the prompt is called for every request;
	// what another one rules is leased, as a selector's plan is. An error is no
	// ruling: whether the request then passes is the step's on_error, which
	// says no by default.
	Inspect(ctx context.Context, r Request, p Prompt) (Ruling, error)
}

// Ruling lets a request pass, as it is or edited, or rejects it. The zero
// Ruling lets it pass as it is.
type Ruling struct {
	// Rejection is the error that the client gets; nil: the request passes.
	Rejection *Rejection
	// Patch edits the body, as RFC 6902 says. All of it applies, or the ruling
	// counts as an error.
	Patch []PatchOp
	// Lease is for rulings on facts; one on a prompt is never used again.
	Lease Lease
}

// Rejection is an error for the client.
type Rejection struct {
	// Status is from 400 to 599; 0: 400.
	Status int
	// Code is OpenAI's error code, of lower-case letters, digits and _; empty:
	// "request_rejected".
	Code    string
	Message string
}

// Pass lets the request pass as it is.
func Pass() Ruling { return Ruling{} }

// Reject answers the client with status 400 and the message.
func Reject(message string) Ruling { return Ruling{Rejection: &Rejection{Message: message}} }

// Edited lets the request pass with its body edited.
func Edited(ops ...PatchOp) Ruling { return Ruling{Patch: ops} }

// For is the ruling with a lease.
func (r Ruling) For(l Lease) Ruling {
	r.Lease = l
	return r
}

// PatchOp is one operation of a JSON patch.
type PatchOp struct {
	Op string // add, remove, replace, move, copy or test
	// Path, and From of move and copy, are JSON pointers into the body, such as
	// "/messages/0/content".
	Path, From string
	// Value of add, replace and test, as [json.Marshal] takes it.
	Value any
}

// Replace puts a value in place of the one at the path, which must be there.
func Replace(path string, value any) PatchOp {
	return PatchOp{Op: "replace", Path: path, Value: value}
}

// Set puts a value at the path, be there one or not.
func Set(path string, value any) PatchOp { return PatchOp{Op: "add", Path: path, Value: value} }

// Remove takes out what is at the path, which must be there.
func Remove(path string) PatchOp { return PatchOp{Op: "remove", Path: path} }

// MarshalJSON writes the members that the operation has.
func (o PatchOp) MarshalJSON() ([]byte, error) {
	members := map[string]any{"op": o.Op, "path": o.Path}
	switch o.Op {
	case "move", "copy":
		members["from"] = o.From
	case "remove":
	default:
		members["value"] = o.Value
	}
	return json.Marshal(members)
}

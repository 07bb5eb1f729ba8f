package sdk

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Unsupported is an adapter's answer for an endpoint that its provider does
// not have. The text is for people: "has no embeddings".
func Unsupported(text string) error { return status.Error(codes.Unimplemented, text) }

// IsUnsupported reports whether err came of [Unsupported], on either side.
func IsUnsupported(err error) bool { return status.Code(err) == codes.Unimplemented }

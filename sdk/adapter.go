package sdk

import (
	"context"
	"encoding/json"
	"time"
)

// Adapter says how a provider is spoken to. Its answer is data which the core
// carries out: no byte of a request passes through it.
type Adapter interface {
	// Prepare answers for one model of a channel, or for the endpoint
	// [Models] with no model. An endpoint that the provider does not have is
	// an error made with [Unsupported]; the target is then left out.
	Prepare(ctx context.Context, c Channel, model string, e Endpoint, stream bool) (Prepared, error)
}

// Prepared says where a request goes and how it is changed on its way.
type Prepared struct {
	URL     string
	Headers []Header
	Auth    Auth
	// Codec names the core's codec of the provider's wire format: "openai".
	Codec string
	// Model is the name to send; empty: the one asked with.
	Model string
	Edits []Edit
	// Lease is the host's choice by default: as long as the configuration and
	// the plugin stay the same.
	Lease Lease
}

// Header is one HTTP header field.
type Header struct{ Name, Value string }

// Auth says how the core proves who it is. It names no secret: the core adds it.
type Auth struct {
	Kind AuthKind
	// Name is the header or the query parameter.
	Name string
	// Value is the whole Authorization header of [AuthMinted].
	Value string
	// Expires ends the use of Value.
	Expires time.Time
	// Service and Region are what a signature of [AuthSigV4] is for.
	Service, Region string
}

// AuthKind is one of a closed list that the core carries out.
type AuthKind string

// The kinds of auth.
const (
	AuthNone   AuthKind = "none"
	AuthBearer AuthKind = "bearer"
	AuthHeader AuthKind = "header"
	AuthQuery  AuthKind = "query"
	// AuthSigV4 signs each request as AWS wants it. The credential is then
	// ID:SECRET or ID:SECRET:TOKEN.
	AuthSigV4 AuthKind = "sigv4"
	// AuthMinted is a token that the adapter got by itself.
	AuthMinted AuthKind = "minted"
	// AuthGoogle is an access token of Google's, which the core gets for the
	// service account whose key file is the channel's credential.
	AuthGoogle AuthKind = "google"
)

// Edit changes one top-level field of a JSON request. The core applies edits
// by splicing bytes.
type Edit struct {
	Op    EditOp
	Field string
	// Value is for EditSet and EditDefault.
	Value json.RawMessage
	// To is the new name, for EditRename.
	To string
}

// EditOp is one of a closed list.
type EditOp string

// The edits.
const (
	EditSet     EditOp = "set"
	EditDefault EditOp = "default"
	EditRename  EditOp = "rename"
	EditDelete  EditOp = "delete"
)

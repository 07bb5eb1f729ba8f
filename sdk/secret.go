package sdk

// Secret is a string that never prints, so that it does not reach a log with
// the value that it is part of.
type Secret string

func (Secret) String() string   { return "***" }
func (Secret) GoString() string { return "***" }

// MarshalText keeps a secret out of every encoder.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

package decision

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Version of the record. It changes when a name changes its meaning or goes,
// not when one is added.
const Version = 1

// Decision is all that is known of one request at its end. Its JSON names are
// public: docs/decisions.md lists them.
type Decision struct {
	Version int `json:"v"`
	// ID is what the client got as x-smartrouter-decision.
	ID   string    `json:"id"`
	Time time.Time `json:"time"` // the request's first byte
	// Config is a hash of the configuration, secrets included, which it does not
	// reveal. It compares within one data folder.
	Config   string `json:"config"`
	Pipeline string `json:"pipeline,omitempty"`
	Facts    Facts  `json:"facts"`
	// Fallbacks are the request's own.
	Fallbacks []string `json:"fallbacks,omitempty"`
	// Pinned is the only channel that could answer; empty: any could.
	Pinned string `json:"pinned,omitempty"`
	// Candidates are as the selector was shown them when it made the plan.
	Candidates []Candidate `json:"candidates,omitempty"`
	// Choice is nil where no selector step was reached: the cache had the answer,
	// or the request was refused before.
	Choice   *Choice   `json:"choice,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	// Prompt is the request's body, where that is granted and it is JSON of no
	// more than the granted length.
	Prompt json.RawMessage `json:"prompt,omitempty"`
}

// Facts of the request: all of them, whatever the selector reads.
type Facts struct {
	Model    string       `json:"model"`
	Endpoint sdk.Endpoint `json:"endpoint"`
	Stream   bool         `json:"stream,omitempty"`
	// Size is the body's length in bytes, Tokens the estimated length of the prompt.
	Size   int64 `json:"size,omitempty"`
	Tokens int64 `json:"tokens,omitempty"`
	Tools  bool  `json:"tools,omitempty"`
	Images bool  `json:"images,omitempty"`
	JSON   bool  `json:"json,omitempty"`
	// Key is the name of the caller's API key, never the key.
	Key    string `json:"key,omitempty"`
	Region string `json:"region,omitempty"`
	Prefix Hash   `json:"prefix,omitempty"`
	// Headers that the selector step allows, by lower-case name.
	Headers map[string]string `json:"headers,omitempty"`
}

// Hash is a number that JSON's readers would round: it is written in hex.
type Hash uint64

// MarshalText is part of encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(h), 16), nil }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	*h = Hash(n)
	return err
}

// Candidate is a target that could have answered.
type Candidate struct {
	Channel  string   `json:"channel"`
	Provider string   `json:"provider,omitempty"`
	Region   string   `json:"region,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Model    string   `json:"model"`
	// Fallback is 0 for the model that was asked for, n for its n-th fallback.
	Fallback int     `json:"fallback,omitempty"`
	Priority int     `json:"priority"`
	Weight   float64 `json:"weight"`
	// InputPrice and OutputPrice are in US dollars per million tokens; nil where
	// not known.
	InputPrice    *float64 `json:"input_price,omitempty"`
	OutputPrice   *float64 `json:"output_price,omitempty"`
	ContextTokens int64    `json:"context_tokens,omitempty"`
	Health        string   `json:"health"` // unknown, up, down or misconfigured
	TTFT          Millis   `json:"ttft_ms,omitempty"`
	ErrorRate     float64  `json:"error_rate,omitempty"`
	InFlight      int      `json:"in_flight,omitempty"`
}

// Choice is where the plan came from, and what it says.
type Choice struct {
	Step string `json:"step"`
	// Plugin made the plan, by address; empty: none did.
	Plugin        string `json:"plugin,omitempty"`
	PluginVersion string `json:"plugin_version,omitempty"`
	// PluginSHA256 is of the program's file.
	PluginSHA256 string `json:"plugin_sha256,omitempty"`
	// Source is asked, fresh, stale, declared, failed lease or pinned.
	Source string `json:"source"`
	// Side is whose turn it was where the step has a canary: primary, canary, or
	// fallback where the canary gave no plan.
	Side string `json:"side,omitempty"`
	// Age of the plan when the request got it.
	Age Millis `json:"age_ms,omitempty"`
	// Asked is how long the plugin took for the plan.
	Asked Millis `json:"asked_ms,omitempty"`
	// Tiers of the plan, best first.
	Tiers []Tier `json:"tiers"`
	// Shadow is nil where no shadow was asked.
	Shadow *Shadow `json:"shadow,omitempty"`
}

// Shadow is what a selector would have chosen that is asked and not obeyed.
type Shadow struct {
	Plugin        string `json:"plugin"`
	PluginVersion string `json:"plugin_version,omitempty"`
	PluginSHA256  string `json:"plugin_sha256,omitempty"`
	// Result is same, order (only a later target differs), first, failed, dropped
	// (there were too many to ask), or pending: not known when the request ended.
	Result string `json:"result"`
	// First is the share of such requests, from 0 to 1, that would go to another
	// target first.
	First float64 `json:"first,omitempty"`
	Error string  `json:"error,omitempty"`
	Tiers []Tier  `json:"tiers,omitempty"`
}

// Tier of a plan.
type Tier struct {
	Balance sdk.Balance `json:"balance"`
	Picks   []Pick      `json:"picks"`
}

// Pick is a target in a plan.
type Pick struct {
	Channel string  `json:"channel"`
	Model   string  `json:"model"`
	Weight  float64 `json:"weight"`
	Reason  string  `json:"reason,omitempty"`
}

// Attempt is one try at a target.
type Attempt struct {
	Channel string `json:"channel"`
	Model   string `json:"model"`
	// Start is when it began, from the request's first byte.
	Start Millis `json:"start_ms"`
	// Class is "ok", or that of the failure.
	Class string `json:"class"`
	// Status of the upstream's answer; 0: there was none.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Connect is from the start until a connection was there, TTFT until the
	// first content, Duration until the end.
	Connect  Millis `json:"connect_ms,omitempty"`
	TTFT     Millis `json:"ttft_ms,omitempty"`
	Duration Millis `json:"duration_ms"`
	Reused   bool   `json:"reused,omitempty"` // the connection had served before
	Rescue   bool   `json:"rescue,omitempty"` // it was to go on with a stream that broke off
}

// Outcome is what the client got.
type Outcome struct {
	// Status as the client got it; 499: it had left.
	Status int `json:"status"`
	// Error is OpenAI's code or type of the error.
	Error string `json:"error,omitempty"`
	// Complete: the answer was sent to its end.
	Complete bool `json:"complete,omitempty"`
	// Left: the client did before that.
	Left bool `json:"left,omitempty"`
	// Cache is what the cache step did: hit, miss, bypass or shared.
	Cache string `json:"cache,omitempty"`
	// Channel and Model are the target that answered, or was tried last.
	Channel string `json:"channel,omitempty"`
	Model   string `json:"model,omitempty"`
	// Fallback: it stands in for the model that was asked for.
	Fallback bool `json:"fallback,omitempty"`
	Rescued  bool `json:"rescued,omitempty"`
	// TTFT is from the request's first byte to the first content of a stream.
	TTFT     Millis  `json:"ttft_ms,omitempty"`
	Duration Millis  `json:"duration_ms"`
	Tokens   *Tokens `json:"tokens,omitempty"` // nil: the upstream did not say
	// Cost is in US dollars; nil where the tokens or the price are not known.
	Cost *float64 `json:"cost_dollars,omitempty"`
}

// Tokens that the upstream counted.
type Tokens struct {
	Input     int64 `json:"input"`
	Output    int64 `json:"output"`
	Cached    int64 `json:"cached,omitempty"`    // of Input
	Reasoning int64 `json:"reasoning,omitempty"` // of Output
}

// Millis is a time span in milliseconds, to the microsecond.
type Millis time.Duration

// MarshalJSON is part of json.Marshaler.
func (m Millis) MarshalJSON() ([]byte, error) {
	us := time.Duration(m).Round(time.Microsecond).Microseconds()
	return strconv.AppendFloat(nil, float64(us)/1000, 'f', -1, 64), nil
}

// UnmarshalJSON is part of json.Unmarshaler.
func (m *Millis) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	*m = Millis(v * float64(time.Millisecond))
	return err
}

func (m Millis) String() string { return time.Duration(m).String() }

// line is a decision as a line of JSON. It is nil where a number in it is none,
// such as an infinite weight or cost: reasons and names are text, which always
// can be written.
func line(d *Decision) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return nil
	}
	return b.Bytes()
}

// Package adaptertest asks adapters for what tables say. All their tests are of
// one form: a channel and an endpoint, and what the router is told to send, or
// why it is told nothing.
package adaptertest

import (
	"cmp"
	"context"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Case is what an adapter prepares.
type Case struct {
	Name string

	// The channel, the model (empty: m) and the endpoint (empty: chat).
	Base, Region string
	Settings     map[string]string
	Model        string
	Endpoint     sdk.Endpoint
	Stream       bool

	// What the router is told.
	URL     string
	Auth    sdk.Auth
	Headers []sdk.Header
	Edits   []sdk.Edit
	Codec   string // empty: the one that is the adapter's
}

// Prepares runs the cases as subtests. Most are of one codec.
func Prepares(t *testing.T, build func() *sdk.Plugin, codec string, cases []Case) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, err := prepare(build, c.Base, c.Region, c.Settings, cmp.Or(c.Model, "m"), c.Endpoint, c.Stream)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: c.URL, Headers: c.Headers, Auth: c.Auth, Edits: c.Edits, Codec: cmp.Or(c.Codec, codec)}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// Refusal is what an adapter refuses, in its whole words.
type Refusal struct {
	Name string

	// The channel and the endpoint (empty: chat).
	Base, Region string
	Settings     map[string]string
	Endpoint     sdk.Endpoint

	Unsupported bool // the provider has no such endpoint
	Err         string
}

// Refuses runs the cases as subtests.
func Refuses(t *testing.T, build func() *sdk.Plugin, cases []Refusal) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(build, c.Base, c.Region, c.Settings, "m", c.Endpoint, false)
			if err == nil || err.Error() != c.Err || sdk.IsUnsupported(err) != c.Unsupported {
				t.Errorf("got  %v\nwant %s", err, c.Err)
			}
		})
	}
}

func prepare(build func() *sdk.Plugin, base, region string, settings map[string]string, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	c := sdk.Channel{Name: "c", Provider: "p", BaseURL: base, Region: region, Settings: settings}
	return build().Adapter.Prepare(context.Background(), c, model, cmp.Or(e, sdk.Chat), stream)
}

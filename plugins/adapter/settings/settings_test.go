package settings

import (
	"net/url"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	below := func(path ...string) func(sdk.Channel) (*url.URL, error) {
		return func(c sdk.Channel) (*url.URL, error) { return Below(c, path...) }
	}
	without := func(ends ...string) func(sdk.Channel) (*url.URL, error) {
		return func(c sdk.Channel) (*url.URL, error) { return WithoutEnd(c, ends...) }
	}
	for _, tt := range []struct {
		name string
		read func(sdk.Channel) (*url.URL, error)
		base string
		want string
		err  string
	}{
		{name: "as it is", read: Base, base: "http://127.0.0.1:1/a/?b=c%20d", want: "http://127.0.0.1:1/a/?b=c%20d"},
		{name: "none", read: Base, err: `the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", read: Base, base: "file:///etc/passwd", err: `base_url "file:///etc/passwd" is no http or https address`},
		{name: "another scheme with a host", read: Base, base: "ftp://a/v1", err: `base_url "ftp://a/v1" is no http or https address`},
		{name: "no scheme", read: Base, base: "api.openai.com/v1", err: `base_url "api.openai.com/v1" is no http or https address`},
		{name: "no host", read: Base, base: "https:///v1", err: `base_url "https:///v1" is no http or https address`},
		{name: "no URL", read: Base, base: "https://a\x7f", err: `base_url "https://a\x7f" is no http or https address`},

		{name: "a host gets the path", read: below("v1"), base: "https://a", want: "https://a/v1"},
		{name: "a slash is no path", read: below("v1"), base: "https://a/", want: "https://a/v1"},
		{name: "a path of two", read: below("openai", "v1"), base: "https://a", want: "https://a/openai/v1"},
		{name: "a path is taken as it is", read: below("v1"), base: "https://a/api/v4", want: "https://a/api/v4"},
		{name: "a query stays", read: below("v1"), base: "https://a?b=c%20d", want: "https://a/v1?b=c%20d"},
		{name: "below none", read: below("v1"), err: `the provider "p" has no address of its own: set base_url`},
		{name: "below another scheme", read: below("v1"), base: "file:///etc/passwd", err: `base_url "file:///etc/passwd" is no http or https address`},

		{name: "a host has no end", read: without("/api", "/v1"), base: "https://a", want: "https://a"},
		{name: "an end goes", read: without("/api", "/v1"), base: "https://a/b/api", want: "https://a/b"},
		{name: "another, with slashes", read: without("/api", "/v1"), base: "https://a/v1//", want: "https://a"},
		{name: "both, where they come in order", read: without("/api", "/v1"), base: "https://a/v1/api", want: "https://a"},
		{name: "each once", read: without("/api", "/v1"), base: "https://a/v1/v1", want: "https://a/v1"},
		{name: "no part of a name", read: without("/api", "/v1"), base: "https://a/myapi", want: "https://a/myapi"},
		{name: "without the end of none", read: without("/v1"), err: `the provider "p" has no address of its own: set base_url`},
		{name: "without the end of no address", read: without("/v1"), base: "a/v1", err: `base_url "a/v1" is no http or https address`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := tt.read(sdk.Channel{Provider: "p", BaseURL: tt.base})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got  %v, %v\nwant %s", u, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if u.String() != tt.want {
				t.Errorf("got  %s\nwant %s", u, tt.want)
			}
		})
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	all := []sdk.AuthKind{sdk.AuthBearer, sdk.AuthHeader, sdk.AuthQuery, sdk.AuthNone}
	for _, tt := range []struct {
		name string
		set  string
		kind sdk.AuthKind
		has  []sdk.AuthKind
		want sdk.Auth
		err  string
	}{
		{name: "the adapter's", kind: sdk.AuthBearer, has: all, want: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "the adapter's header", kind: sdk.AuthHeader, has: all, want: sdk.Auth{Kind: sdk.AuthHeader, Name: "x-key"}},
		{name: "set", set: "none", kind: sdk.AuthHeader, has: all, want: sdk.Auth{Kind: sdk.AuthNone}},
		{name: "a header", set: "header", kind: sdk.AuthBearer, has: all, want: sdk.Auth{Kind: sdk.AuthHeader, Name: "x-key"}},
		{name: "a query", set: "query", kind: sdk.AuthBearer, has: all, want: sdk.Auth{Kind: sdk.AuthQuery, Name: "x-key"}},
		{name: "no word", set: "basic", kind: sdk.AuthBearer, has: all, err: `auth = "basic" is unknown; there are bearer, header, query and none`},
		{name: "one that the adapter has not", set: "query", kind: sdk.AuthBearer, has: []sdk.AuthKind{sdk.AuthBearer, sdk.AuthNone}, err: `auth = "query" is unknown; there are bearer and none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Auth(sdk.Channel{Settings: map[string]string{"auth": tt.set}}, tt.kind, "x-key", tt.has...)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got  %v\nwant %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		settings map[string]string
		endpoint sdk.Endpoint
		want     bool
	}{
		{name: "all where nothing is said", endpoint: sdk.Chat, want: true},
		{name: "one that is named", settings: map[string]string{"endpoints": "embeddings, chat"}, endpoint: sdk.Chat, want: true},
		{name: "one that is not", settings: map[string]string{"endpoints": "embeddings, chat"}, endpoint: sdk.Rerank},
		{name: "no part of a name", settings: map[string]string{"endpoints": "chat/x"}, endpoint: sdk.Chat},
		{name: "an empty list has none", settings: map[string]string{"endpoints": ""}, endpoint: sdk.Chat},
		{name: "the list of models", endpoint: sdk.Models, want: true},
		{name: "the list of models needs no name", settings: map[string]string{"endpoints": "chat"}, endpoint: sdk.Models, want: true},
		{name: "no list of models", settings: map[string]string{"endpoints": "models", "no_models": "true"}, endpoint: sdk.Models},
		{name: "a list that is not denied", settings: map[string]string{"no_models": "false"}, endpoint: sdk.Models, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Settings: tt.settings}
			if got := Has(c, tt.endpoint); got != tt.want {
				t.Errorf("Has: got %t", got)
			}
			if tt.endpoint == sdk.Models && HasModels(c) != tt.want {
				t.Errorf("HasModels: got %t", !tt.want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		settings map[string]string
		want     []sdk.Header
	}{
		{name: "none", settings: map[string]string{"auth": "none"}},
		{
			name: "by name, and nothing without one", settings: map[string]string{"header.b": "2", "header.B": "1", "header.c": "", "header.": "x", "header": "x"},
			want: []sdk.Header{{Name: "B", Value: "1"}, {Name: "b", Value: "2"}, {Name: "c"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Headers(sdk.Channel{Settings: tt.settings}); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

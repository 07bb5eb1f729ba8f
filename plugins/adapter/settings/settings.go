// Package settings reads what every adapter takes from the definition of a
// channel: its base URL, and the settings that mean the same at each of them.
//
//	base_url     Base, Below, WithoutEnd
//	auth         Auth
//	endpoints    Has
//	no_models    HasModels, Has
//	header.NAME  Headers
//
// Its errors say what is wrong; the adapter says before that who it is and which
// channel it is about. What one adapter alone has, it reads from the channel.
package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Base is the channel's base URL as it is: http or https, with a host. It is an
// error that there is none; an adapter that knows where its provider is sets it
// before.
func Base(c sdk.Channel) (*url.URL, error) {
	if c.BaseURL == "" {
		return nil, fmt.Errorf("the provider %q has no address of its own: set base_url", c.Provider)
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("base_url %q is no http or https address", c.BaseURL)
	}
	return u, nil
}

// Below is the URL that all paths are below. A base URL with a path is taken as
// it is; one that is nothing but a host gets the provider's own: Below(c, "v1") is
// https://a/v1 for https://a, and https://a/v4 for https://a/v4. Errors are those
// of [Base].
func Below(c sdk.Channel, path ...string) (*url.URL, error) {
	u, err := Base(c)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return u, err
	}
	return u.JoinPath(path...), nil
}

// WithoutEnd is the base URL without the ends that users copy with it, such as
// /v1, and without the slashes behind its path. Each end is taken away once, in
// their order. Errors are those of [Base].
func WithoutEnd(c sdk.Channel, ends ...string) (*url.URL, error) {
	u, err := Base(c)
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), end)
	}
	return u, nil
}

// Auth is what the setting auth says, and kind where it says nothing. The name is
// that of the header or the query parameter, for these two kinds. An auth that is
// none of those that the adapter has is an error, which lists them in their order.
func Auth(c sdk.Channel, kind sdk.AuthKind, name string, has ...sdk.AuthKind) (sdk.Auth, error) {
	if set := c.Settings["auth"]; set != "" {
		kind = sdk.AuthKind(set)
	}
	if !slices.Contains(has, kind) {
		return sdk.Auth{}, fmt.Errorf("auth = %q is unknown; there are %s", kind, enumerate(has))
	}
	a := sdk.Auth{Kind: kind}
	if kind == sdk.AuthHeader || kind == sdk.AuthQuery {
		a.Name = name
	}
	return a, nil
}

// enumerate writes "a, b and c".
func enumerate(kinds []sdk.AuthKind) string {
	var b strings.Builder
	for i, k := range kinds {
		switch {
		case i == 0:
		case i == len(kinds)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(k))
	}
	return b.String()
}

// Has reports whether the channel has an endpoint: one that the setting endpoints
// names, such as "chat, embeddings", or any where there is no such setting. The
// list of models needs no name there: see [HasModels].
func Has(c sdk.Channel, e sdk.Endpoint) bool {
	if e == sdk.Models {
		return HasModels(c)
	}
	list, ok := c.Settings["endpoints"]
	return !ok || slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.TrimSpace(s) == string(e)
	})
}

// HasModels reports whether the channel has a list of models: no_models = "true"
// says that it has none.
func HasModels(c sdk.Channel) bool { return c.Settings["no_models"] != "true" }

// Headers are the settings header.NAME, by name.
func Headers(c sdk.Channel) []sdk.Header {
	var hs []sdk.Header
	for k, v := range c.Settings {
		if name, ok := strings.CutPrefix(k, "header."); ok && name != "" {
			hs = append(hs, sdk.Header{Name: name, Value: v})
		}
	}
	slices.SortFunc(hs, func(a, b sdk.Header) int { return strings.Compare(a.Name, b.Name) })
	return hs
}

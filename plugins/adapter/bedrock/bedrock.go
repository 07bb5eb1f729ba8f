// Package bedrock is the adapter for Amazon Bedrock, by Converse and
// ConverseStream.
//
// A request goes to the region's host, or to the channel's base URL, such as a
// VPC endpoint's: there to model/MODEL/converse, where MODEL is a model's id, an
// inference profile's, or the ARN of either. The provider's and the channel's
// settings change the rest:
//
//	region             the AWS region; the channel's region by default
//	auth               sigv4 where the channel has keys of AWS, bearer for a
//	                   Bedrock API key, or none
//	guardrail          id or ARN of a guardrail that requests go through
//	guardrail_version  its version; DRAFT by default
//	latency            standard or optimized
//	header.NAME        a header to send
package bedrock

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/settings"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "bedrock", Doc: "Speaks to Amazon Bedrock, by Converse.",
		Computes: true,
		Adapter:  adapter{},
	}
}

// service is what signatures are for, of bedrock and bedrock-runtime alike.
const service = "bedrock"

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	if e != sdk.Chat {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	p, err := prepare(c, model, stream)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(bedrock): channel %q: %w", c.Name, err)
	}
	return p, nil
}

func prepare(c sdk.Channel, model string, stream bool) (sdk.Prepared, error) {
	region := cmp.Or(c.Settings["region"], c.Region)
	u, err := base(c, region)
	if err != nil {
		return sdk.Prepared{}, err
	}
	p := sdk.Prepared{Codec: "bedrock", Headers: settings.Headers(c), Edits: edits(c)}
	method := "converse"
	if stream {
		method = "converse-stream"
		p.Headers = append(p.Headers, sdk.Header{Name: "Accept", Value: "application/vnd.amazon.eventstream"})
	}
	p.URL = u.JoinPath("model", escape(model), method).String()
	if p.Auth, err = settings.Auth(c, sdk.AuthBearer, "", sdk.AuthBearer, sdk.AuthSigV4, sdk.AuthNone); err != nil {
		return sdk.Prepared{}, err
	}
	if p.Auth.Kind == sdk.AuthSigV4 {
		if region == "" {
			return sdk.Prepared{}, fmt.Errorf("a signature needs the region that it is for")
		}
		p.Auth.Service, p.Auth.Region = service, region
	}
	return p, nil
}

// escape writes a model's id as AWS's own clients do: colons are escaped too.
func escape(model string) string { return strings.ReplaceAll(url.PathEscape(model), ":", "%3A") }

// base is the URL that all paths are below.
func base(c sdk.Channel, region string) (*url.URL, error) {
	if c.BaseURL != "" {
		return settings.Base(c)
	}
	if !isRegion(region) {
		return nil, fmt.Errorf("region %q is none of AWS, such as us-east-1", region)
	}
	host := "bedrock-runtime." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	return &url.URL{Scheme: "https", Host: host}, nil
}

// isRegion tells whether a text may be in a host's name.
func isRegion(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// edits are what all requests of a channel ask for.
func edits(c sdk.Channel) []sdk.Edit {
	var all []sdk.Edit
	set := func(field string, value map[string]string) {
		js, _ := json.Marshal(value) // texts always can be
		all = append(all, sdk.Edit{Op: sdk.EditSet, Field: field, Value: js})
	}
	if id := c.Settings["guardrail"]; id != "" {
		version := cmp.Or(c.Settings["guardrail_version"], "DRAFT")
		set("guardrailConfig", map[string]string{"guardrailIdentifier": id, "guardrailVersion": version})
	}
	if latency := c.Settings["latency"]; latency != "" {
		set("performanceConfig", map[string]string{"latency": latency})
	}
	return all
}

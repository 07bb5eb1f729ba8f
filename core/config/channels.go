package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// readChannels reads all channels. One with several keys is one per key.
func (l *loader) readChannels(blocks []*block) {
	names := table[*Channel]{}
	for _, b := range blocks {
		for _, c := range l.readChannel(b) {
			if first := names[c.Name]; first.block != nil {
				b.mistakef(b.head, "rename or remove one", "channel %q is declared twice, first at %s", c.Name, place(first.block.head))
				continue
			}
			names[c.Name] = entry[*Channel]{value: c, block: b}
			l.cfg.Channels = append(l.cfg.Channels, c)
		}
	}
}

func (l *loader) readChannel(b *block) []*Channel {
	c := Defaults.Channel
	c.Name = b.name()
	if p := labelName(c.Name); p != nil {
		b.mistakef(b.head, p.remedy, "%s", p.summary)
	}
	var p provider
	if b.required("provider", "provider.openai") {
		p = find(b, l.providers, "provider", "provider")
	} else {
		b.attribute("provider")
	}
	if p.Provider == nil {
		p = provider{Provider: &Provider{}, timeouts: l.timeouts, pool: l.pool} // reported; go on for the rest
	}
	c.Provider, c.BaseURL, c.Timeouts, c.Pool = p.Provider, p.BaseURL, p.timeouts, p.pool
	b.baseURL(&c.BaseURL)
	c.Settings = maps.Clone(p.Settings)
	var own map[string]string
	b.table("settings", &own)
	if c.Settings == nil {
		c.Settings = own
	} else {
		maps.Copy(c.Settings, own)
	}
	b.set("models", &c.Models, word)
	b.table("aliases", &c.Aliases, word)
	b.set("tags", &c.Tags, tag)
	b.text("region", &c.Region, word)
	b.integer("priority", &c.Priority, fromZero)
	b.number("weight", &c.Weight, aboveZero)
	b.integer("max_in_flight", &c.MaxInFlight, fromZero)
	b.integer("requests_per_minute", &c.RequestsPerMinute, fromZero)
	b.integer("tokens_per_minute", &c.TokensPerMinute, fromZero)
	b.integer("queue", &c.Queue, fromZero)
	b.flag("accepts_prefill", &c.AcceptsPrefill)
	c.Prices = readPrices(b)
	readTimeouts(b.single("timeouts"), &c.Timeouts)
	readPool(b.single("pool"), &c.Pool)
	enabled := true
	b.flag("enabled", &enabled)
	keys := b.credentials()
	if own, ok := b.awsKeys(); ok {
		keys = []key{own}
		if c.Settings["auth"] == "" {
			c.Settings = maps.Clone(c.Settings)
			if c.Settings == nil {
				c.Settings = map[string]string{}
			}
			c.Settings["auth"] = string(sdk.AuthSigV4)
		}
	}
	b.done()
	b.checkChannel(&c)

	channels := make([]*Channel, len(keys))
	for i, k := range keys {
		each := c
		each.Secret, each.Off = k.secret, k.off
		if k.name != "" {
			each.Name += "-" + k.name
		}
		if each.Off == "" && each.Secret == "" && p.NeedsKey {
			each.Off = "it has no api_key"
		}
		if !enabled {
			each.Off = "it is not enabled"
		}
		channels[i] = &each
	}
	return channels
}

// checkChannel looks at what attributes say together.
func (b *block) checkChannel(c *Channel) {
	p := c.Provider
	if b.has("models") && !b.failed["models"] && len(c.Models) == 0 {
		b.problem("models", b.at("models"), problemf("leave it out for those that the provider lists", "is empty"))
	}
	if (p.NoModels || c.Settings["models_list"] == catalogue) && c.Models == nil && !b.failed["models"] {
		b.mistakef(b.head, `add models = ["..."]`, "%s needs models, as provider %q does not list what it has", b, p.Name)
	}
	if p.Adapter != nil && slices.Contains(needBaseURL, p.Adapter.Builtin) && c.BaseURL == "" && !b.failed["base_url"] {
		b.mistakef(b.head, `add one such as base_url = "https://llm.example.com/v1"`, "%s has no base_url, and neither has provider %q", b, p.Name)
	}
	if p.Adapter != nil && p.Adapter.Builtin == "bedrock" && c.BaseURL == "" && c.Region == "" && c.Settings["region"] == "" && !b.failed["region"] {
		b.mistakef(b.head, `add one such as region = "us-east-1"`, "%s has no region, and so no host at Bedrock", b)
	}
	if strings.HasPrefix(c.BaseURL, "http://") && (b.has("api_key") || b.has("api_keys")) { // signatures give no key away
		host, _, _ := strings.Cut(strings.TrimPrefix(c.BaseURL, "http://"), "/")
		if !isLoopback(host) {
			b.warnf(b.at("base_url"), "use https", "%s sends its key in plain text to %s", b, host)
		}
	}
}

// key is one of a channel's credentials.
type key struct {
	name   string // what the channel's name gets; empty: nothing
	secret Secret
	off    string // why the channel is off
}

// credentials reads api_key, or each of api_keys: with channel "openai" these
// are openai-1, openai-2 and so on, in their order, even where it is but one,
// so that a second key renames nothing.
func (b *block) credentials() []key {
	if b.has("api_key") && b.has("api_keys") {
		b.mistakef(b.at("api_keys"), "put all keys into api_keys", "%s has both api_key and api_keys", b)
	}
	if v, lacks, ok := b.evaluate("api_key"); ok {
		b.attribute("api_keys")
		return []key{b.credential("api_key", b.at("api_key"), v, lacks)}
	}
	if b.attribute("api_keys") == nil {
		return []key{{}}
	}
	return b.eachCredential()
}

func (b *block) eachCredential() []key {
	const name = "api_keys"
	// Evaluated by element, as each may lack another variable.
	v, p, at := evaluate(b.body.Attributes[name].Expr, b.eval)
	if p != nil {
		b.problem(name, at, p)
		return nil
	}
	v, outer := v.Unmark()
	plain, _ := v.UnmarkDeep()
	if !v.IsWhollyKnown() || !isList(plain) {
		b.problem(name, b.at(name), wrongType("a list", `write [env("KEY_1"), env("KEY_2")]`, plain))
		return nil
	}
	if v.LengthInt() == 0 {
		b.problem(name, b.at(name), problemf("leave it out where no key is needed", "is empty"))
		return nil
	}
	var keys []key
	place := b.elements(name, v.LengthInt())
	for i, e := range v.AsValueSlice() {
		e, inner := e.UnmarkDeep()
		at := place(i)
		k := b.credential(name, at, e, append(missingIn(outer), missingIn(inner)...))
		k.name = fmt.Sprint(i + 1)
		if k.secret != "" && slices.ContainsFunc(keys, func(o key) bool { return o.secret == k.secret }) {
			b.problem(name, at, problemf("remove one", "has the same key twice"))
		}
		keys = append(keys, k)
	}
	return keys
}

// credential never puts a key into a message.
func (b *block) credential(name string, at hcl.Range, v cty.Value, lacks []missing) key {
	if len(lacks) > 0 {
		reasons := make([]string, len(lacks))
		for i, m := range lacks {
			reasons[i] = m.String()
		}
		return key{off: strings.Join(reasons, ", ")}
	}
	s, p := asText(v)
	if p == nil {
		// file() ends in the file's last newline, which no header can have.
		s = strings.TrimSpace(s)
		if s = oneLine(s); !isKeyFile(s) {
			p = credential(s)
		}
	}
	if p == nil && s == "" {
		return key{off: name + " is empty"}
	}
	if p != nil {
		b.problem(name, at, p)
		return key{}
	}
	return key{secret: Secret(s)}
}

// awsKeys reads the block aws: keys of AWS are two or three texts, which travel
// as one.
func (b *block) awsKeys() (k key, ok bool) {
	kb := b.single("aws")
	if kb.head == b.head {
		return key{}, false // there is none
	}
	if b.has("api_key") || b.has("api_keys") {
		b.mistakef(kb.head, "remove one", "%s has both an api_key and keys of AWS", b)
	}
	kb.required("access_key_id", `env("AWS_ACCESS_KEY_ID")`)
	kb.required("secret_access_key", `env("AWS_SECRET_ACCESS_KEY")`)
	parts := []string{kb.keyPart("access_key_id", &k.off), kb.keyPart("secret_access_key", &k.off)}
	var unset string // keys that are not temporary have none
	if token := kb.keyPart("session_token", &unset); token != "" {
		parts = append(parts, token)
	}
	kb.done()
	if k.off == "" {
		k.secret = Secret(strings.Join(parts, ":"))
	}
	return k, true
}

// keyPart reads one of the texts of a key. off is why it is not there.
func (b *block) keyPart(name string, off *string) string {
	v, lacks, ok := b.evaluate(name)
	if !ok {
		return ""
	}
	part := b.credential(name, b.at(name), v, lacks)
	if *off == "" {
		*off = part.off
	}
	if strings.Contains(part.secret.Reveal(), ":") {
		b.problem(name, b.at(name), problemf("", "must not hold a colon"))
	}
	return part.secret.Reveal()
}

// Price of a model on the channel; nil: it is not known.
func (c *Channel) Price(model string) *Price {
	var others *Price
	for i := range c.Prices {
		switch p := &c.Prices[i]; p.Model {
		case model:
			return p
		case "*":
			others = p
		}
	}
	return others
}

func readPrices(b *block) []Price {
	var prices []Price
	seen := table[Price]{}
	for _, pb := range b.nested("price", "model") {
		p := Price{Model: pb.name()}
		pb.required("input", "2.50")
		pb.number("input", &p.Input, fromZero)
		pb.number("output", &p.Output, fromZero)
		pb.done()
		seen.declare(p.Model, pb, p)
		prices = append(prices, p)
	}
	return prices
}

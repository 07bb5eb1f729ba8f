package config

import (
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func (l *loader) readServer(b *block) {
	s := Defaults.Server
	b.text("address", &s.Address, address)
	b.size("max_body", &s.MaxBody, aboveZero)
	b.size("max_header", &s.MaxHeader, aboveZero)
	b.integer("max_in_flight", &s.MaxInFlight, fromZero)
	b.set("origins", &s.Origins, origin)
	b.set("hosts", &s.Hosts, hostName)
	b.flag("allow_anonymous", &s.AllowAnonymous)
	b.text("region", &s.Region, word)
	b.duration("header_timeout", &s.HeaderTimeout, aboveZero)
	b.duration("body_timeout", &s.BodyTimeout, aboveZero)
	b.duration("idle_timeout", &s.IdleTimeout, aboveZero)
	b.duration("write_timeout", &s.WriteTimeout, aboveZero)
	b.duration("keep_alive", &s.KeepAlive, aboveZero)
	b.duration("drain_timeout", &s.DrainTimeout, fromZero)
	b.integer("warm_up", &s.WarmUp, fromZero)
	b.done()
	l.cfg.Server = s
	switch {
	case isLoopback(s.Address) || b.failed["address"]:
	case len(l.cfg.Keys) == 0 && !s.AllowAnonymous && !l.keysFailed:
		b.mistakef(b.at("address"),
			"declare keys, or say allow_anonymous = true in the server block\nkey \"me\" { secret = env(\"SMARTROUTER_KEY\") }",
			"whoever reaches %s could spend your keys", s.Address)
	case len(l.cfg.Keys) > 0 && s.AllowAnonymous:
		b.warnf(b.at("allow_anonymous"), "remove it, or the keys", "allow_anonymous changes nothing, as there are keys")
	}
}

// readAdmin reads the operator's listener. It speaks plain HTTP and takes a
// token, so only this machine may reach it unless allow_remote says otherwise.
func (l *loader) readAdmin(b *block) {
	a := Defaults.Admin
	b.text("address", &a.Address, func(s string) *problem {
		if s == "" {
			return nil // off
		}
		return address(s)
	})
	b.flag("allow_remote", &a.AllowRemote)
	if a.Address != "" && !isLoopback(a.Address) && !a.AllowRemote && !b.failed["address"] {
		b.mistakef(b.at("address"), "listen on 127.0.0.1, or say allow_remote = true and protect the way to it",
			"the admin token would cross the network in plain text to %s", a.Address)
	}
	if a.Address != "" && a.Address == l.cfg.Server.Address && !strings.HasSuffix(a.Address, ":0") {
		b.mistakef(b.at("address"), "give it a port of its own", "the server listens on %s too", a.Address)
	}
	b.done()
	l.cfg.Admin = a
}

func (l *loader) readLog(b *block) {
	g := Defaults.Log
	b.text("level", &g.Level, oneOf("trace", "debug", "info", "warn", "error"))
	b.flag("json", &g.JSON)
	b.done()
	l.cfg.Log = g
}

func (l *loader) readReload(b *block) {
	r := Defaults.Reload
	b.flag("watch", &r.Watch)
	b.duration("debounce", &r.Debounce, aboveZero)
	b.done()
	l.cfg.Reload = r
}

// leasePolls are the looks into the store that a lease must have room for.
const leasePolls = 4

func (l *loader) readStore(b *block) {
	l.cfg.Store = l.plugins["cache.local"].value
	if b.has("cache") {
		l.cfg.Store = b.plugin(l.plugins, "cache", sdk.KindCache)
	}
	b.attribute("cache")
	l.cfg.ResponseTTL = Defaults.ResponseTTL
	b.duration("response_ttl", &l.cfg.ResponseTTL, aboveZero)
	l.cfg.Fleet = Defaults.Fleet
	b.duration("poll", &l.cfg.Fleet.Poll, aboveZero)
	b.duration("lease", &l.cfg.Fleet.Lease, aboveZero)
	b.text("silent", &l.cfg.Fleet.Silent, oneOf(SilentYield, SilentKeep))
	if f := l.cfg.Fleet; f.Lease < leasePolls*f.Poll && !b.failed["lease"] && !b.failed["poll"] {
		b.mistakef(b.head, "make it longer, or poll more often", "the lease of %s is over before %d looks of %s", f.Lease, leasePolls, f.Poll)
	}
	b.done()
}

// shortSecret is where a caller's key could be guessed, in characters.
const shortSecret = 16

func (l *loader) readKeys(blocks []*block) {
	names := table[*Key]{}
	for _, b := range blocks {
		k := &Key{Name: b.name()}
		if p := labelName(k.Name); p != nil {
			b.mistakef(b.head, p.remedy, "%s", p.summary)
		}
		k.Secret = b.secret()
		b.text("digest", &k.Digest, keyDigest)
		b.text("region", &k.Region, word)
		if b.has("secret") == b.has("digest") {
			b.mistakef(b.head, `write secret = env("...") or digest = "..."; smartrouter key prints both`, "%s needs either a secret or a digest", b)
		}
		b.done()
		l.keysFailed = l.keysFailed || len(b.failed) > 0
		if slices.ContainsFunc(l.cfg.Keys, func(o *Key) bool { return o.Secret == k.Secret && o.Digest == k.Digest }) && k.Secret+Secret(k.Digest) != "" {
			b.mistakef(b.head, "give each caller a key of its own", "%s is the same key as another", b)
		}
		names.declare(k.Name, b, k)
		l.cfg.Keys = append(l.cfg.Keys, k)
	}
}

// secret reads a caller's key and never puts it into a message.
func (b *block) secret() Secret {
	v, lacks, ok := b.evaluate("secret")
	if !ok {
		return ""
	}
	at := b.at("secret")
	if len(lacks) > 0 {
		b.problem("secret", at, problemf("set it, or remove "+b.String(), "%s", lacks[0]))
		return ""
	}
	s, p := asText(v)
	if p == nil {
		s = strings.TrimSpace(s) // file() ends in the file's last newline
		p = credential(s)
	}
	switch {
	case p != nil:
		b.problem("secret", at, p)
	case s == "":
		b.problem("secret", at, problemf("smartrouter key prints a good one", "is empty"))
	case len(s) < shortSecret:
		b.warnf(at, "smartrouter key prints a good one", "the secret of %s is short enough to be guessed", b)
	}
	return Secret(s)
}

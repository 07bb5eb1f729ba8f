package config

import (
	"mime"
	"strings"
)

func (l *loader) readFetch(b *block) {
	f := Defaults.Fetch
	b.flag("enabled", &f.Enabled)
	b.size("max_size", &f.MaxSize, aboveZero)
	b.set("types", &f.Types, mediaType)
	b.duration("timeout", &f.Timeout, aboveZero)
	b.integer("max_redirects", &f.MaxRedirects, fromZero)
	b.integer("at_once", &f.AtOnce, aboveZero)
	b.set("hosts", &f.Hosts, hostName)
	b.done()
	l.cfg.Fetch = f
}

// mediaType checks for one such as image/png.
func mediaType(s string) *problem {
	name, params, err := mime.ParseMediaType(s)
	if err != nil || name != s || len(params) > 0 || strings.Count(s, "/") != 1 || strings.Contains(s, "*") {
		return problemf(`write one such as "image/png"`, "%q is no media type", s)
	}
	return nil
}

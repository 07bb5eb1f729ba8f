package config

import (
	"net/url"

	"golang.org/x/net/http/httpguts"
)

func (l *loader) readTelemetry(b *block) {
	t := Defaults.Telemetry
	b.text("endpoint", &t.Endpoint, collector)
	b.text("protocol", &t.Protocol, oneOf("grpc", "http"))
	b.table("headers", (*map[string]string)(&t.Headers), headerValue)
	b.share("sample", &t.Sample)
	b.flag("propagate", &t.Propagate)
	b.duration("interval", &t.Interval, aboveZero)
	b.duration("timeout", &t.Timeout, aboveZero)
	b.text("service", &t.Service, word)
	if len(b.body.Attributes) > 0 {
		b.required("endpoint", `"http://127.0.0.1:4318"`)
	}
	for name := range t.Headers {
		if !httpguts.ValidHeaderFieldName(name) {
			b.problem("headers", b.entry("headers", name), problemf(`write one such as "x-api-key"`, "%q is no header name", name))
		}
	}
	if u, err := url.Parse(t.Endpoint); err == nil && u.Scheme == "http" && len(t.Headers) > 0 && !isLoopback(u.Host) {
		b.warnf(b.at("endpoint"), "use https", "the headers of %s cross the network in plain text to %s", b, u.Host)
	}
	b.done()
	l.cfg.Telemetry = t
}

// collector checks for where telemetry goes.
func collector(s string) *problem {
	p := baseURL(s)
	if p != nil {
		p.remedy = `write one such as "http://127.0.0.1:4318"`
	}
	return p
}

// headerValue checks for what a header may hold.
func headerValue(s string) *problem {
	if s == "" || !httpguts.ValidHeaderFieldValue(s) {
		return problemf("", "is no value of a header")
	}
	return nil
}

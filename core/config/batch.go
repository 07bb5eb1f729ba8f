package config

func (l *loader) readBatch(b *block) {
	s := Defaults.Batch
	b.integer("concurrency", &s.Concurrency, aboveZero)
	b.integer("per_channel", &s.PerChannel, aboveZero)
	b.share("share", &s.Share)
	b.size("max_file", &s.MaxFile, aboveZero)
	b.integer("max_lines", &s.MaxLines, aboveZero)
	b.size("max_stored", &s.MaxStored, aboveZero)
	b.duration("expiry", &s.Expiry, aboveZero)
	b.duration("grace", &s.Grace, fromZero)
	b.duration("keep", &s.Keep, aboveZero)
	b.integer("retries", &s.Retries, fromZero)
	b.duration("backoff", &s.Backoff, aboveZero)
	b.duration("max_backoff", &s.MaxBackoff, aboveZero)
	b.atMost("backoff", s.Backoff, "max_backoff", s.MaxBackoff)
	if s.Share == 0 && !b.failed["share"] {
		b.mistakef(b.at("share"), "write one such as 0.5", "no line of a batch would ever be begun")
	}
	if s.MaxFile > s.MaxStored && !b.failed["max_file"] && !b.failed["max_stored"] {
		at := "max_file"
		if !b.has(at) {
			at = "max_stored"
		}
		b.mistakef(b.at(at), "", "a file may have %d bytes, and all files together only %d", s.MaxFile, s.MaxStored)
	}
	b.done()
	l.cfg.Batch = s
}

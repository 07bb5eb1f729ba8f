package config

import "path/filepath"

func (l *loader) readRecord(b *block) {
	r := Defaults.Record
	b.text("file", &r.File, filled)
	b.share("sample", &r.Sample)
	b.flag("prompts", &r.Prompts)
	b.size("max_prompt", &r.MaxPrompt, aboveZero)
	b.size("max_size", &r.MaxSize, aboveZero)
	b.integer("keep", &r.Keep, fromZero)
	b.duration("sync", &r.Sync, fromZero)
	b.integer("queue", &r.Queue, aboveZero)
	if len(b.body.Attributes) > 0 {
		b.required("file", `"decisions.jsonl"`)
	}
	if b.has("max_prompt") && !r.Prompts && !b.failed["prompts"] {
		b.mistakef(b.at("max_prompt"), "add prompts = true, or remove it", "max_prompt is for records with prompts")
	}
	if r.File != "" && !filepath.IsAbs(r.File) {
		r.File = filepath.Join(l.dir, r.File)
	}
	b.done()
	l.cfg.Record = r
}

// filled checks for a text that says something.
func filled(s string) *problem {
	if s == "" {
		return problemf("", "is empty")
	}
	return nil
}

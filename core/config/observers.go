package config

func (l *loader) readObservers(blocks []*block) {
	names := table[*Observer]{}
	for _, b := range blocks {
		o := Defaults.Observer
		o.Name = b.name()
		if p := labelName(o.Name); p != nil {
			b.mistakef(b.head, p.remedy, "%s", p.summary)
		}
		if b.required("run", "plugin.observer.jsonl") {
			o.Plugin = b.plugin(l.plugins, "run", "")
		} else {
			b.attribute("run")
		}
		b.share("sample", &o.Sample)
		b.integer("batch", &o.Batch, aboveZero)
		b.duration("interval", &o.Interval, aboveZero)
		b.integer("queue", &o.Queue, aboveZero)
		if o.Batch > o.Queue {
			b.problem("batch", b.at("batch"), problemf("make queue larger", "%d is more than the queue of %d holds", o.Batch, o.Queue))
		}
		b.duration("timeout", &o.Timeout, aboveZero)
		b.size("max_prompt", &o.MaxPrompt, fromZero)
		b.done()
		names.declare(o.Name, b, &o)
		l.cfg.Observers = append(l.cfg.Observers, &o)
	}
}

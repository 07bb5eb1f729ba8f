package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Option changes how a file is read.
type Option func(*options)

type options struct {
	env  func(string) (string, bool)
	lock *Lock
}

// WithEnv replaces [os.LookupEnv] behind the function env().
func WithEnv(lookup func(name string) (value string, ok bool)) Option {
	return func(o *options) { o.env = lookup }
}

// Load reads a file, and the lock beside it. What is wrong in it comes back as [Diagnostics], all at once.
func Load(path string, opts ...Option) (*Config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	lock, err := ReadLock(LockPath(path))
	if err != nil {
		return nil, err
	}
	return Parse(path, src, append(opts, withLock(lock))...)
}

// Parse reads a file's text. Its name is for messages, and its folder for
// relative paths.
func Parse(filename string, src []byte, opts ...Option) (*Config, error) {
	o := options{env: os.LookupEnv}
	for _, opt := range opts {
		opt(&o)
	}
	dir, err := filepath.Abs(filepath.Dir(filename))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	f := newFile(filename, src)
	body, mistakes := parse(f)
	if err := mistakes.err(); err != nil {
		return nil, err
	}
	l := &loader{
		cfg: &Config{Path: filename, Files: []string{
			filepath.Join(dir, filepath.Base(filename)), filepath.Join(dir, LockName),
		}},
		dir:       dir,
		plugins:   table[*Plugin]{},
		providers: table[provider]{},
		pipelines: table[*Pipeline]{},
		dumps:     map[*Plugin]map[string]any{},
		timeouts:  Defaults.Timeouts,
		pool:      Defaults.Pool,
		lock:      o.lock,
	}
	l.reader = &reader{eval: functions(o.env, dir, func(path string) {
		if !slices.Contains(l.cfg.Files, path) {
			l.cfg.Files = append(l.cfg.Files, path)
		}
	})}
	l.file = l.top(f, body)
	l.read()
	if err := l.mistakes.err(); err != nil {
		return nil, err
	}
	return l.cfg, nil
}

// Format lays a file out in the canonical way. Text that does not parse is
// answered with [Diagnostics] whose File is "input".
func Format(src []byte) ([]byte, error) {
	if _, mistakes := parse(newFile("input", src)); len(mistakes) > 0 {
		return nil, mistakes.err()
	}
	return hclwrite.Format(src), nil
}

func parse(f *file) (*hclsyntax.Body, Diagnostics) {
	parsed, diags := hclsyntax.ParseConfig(f.src, f.name, hcl.InitialPos)
	var mistakes Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		var at hcl.Range
		if d.Subject != nil {
			at = *d.Subject
		}
		p := translate(d)
		mistakes = append(mistakes, diagnose(f, at, p.remedy, p.summary))
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return parsed.Body.(*hclsyntax.Body), nil
}

// loader reads one file: what is referred to comes before what refers to it.
type loader struct {
	*reader
	cfg  *Config
	file *block
	dir  string // of the file, absolute

	plugins   table[*Plugin] // by kind and name: selector.smart
	providers table[provider]
	pipelines table[*Pipeline]

	// timeouts and pool are those of channels that do not say theirs.
	timeouts Timeouts
	pool     Pool
	// foreign is what third parties' plugins have that do not say theirs.
	foreign Plugin
	// steps are the default pipeline's, by kind.
	steps map[sdk.Kind]Step
	// dumps are the config blocks, for the hash.
	dumps map[*Plugin]map[string]any
	lock  *Lock // nil: there is none
	// keysFailed: a key is there, and wrong.
	keysFailed bool
}

func (l *loader) read() {
	top := l.file
	readTimeouts(top.single("timeouts"), &l.timeouts)
	readPool(top.single("pool"), &l.pool)
	l.foreign = Defaults.Foreign
	processes := top.single("plugins")
	processes.readProcess(&l.foreign)
	processes.done()
	l.readPlugins(top.nested("plugin", "kind", "name"))
	l.readProviders(top.nested("provider", "name"))
	channels := top.nested("channel", "name")
	l.readChannels(channels)
	l.readModels(top.nested("model", "name"))
	l.readPipelines(top.nested("pipeline", "name"))
	l.readRoutes(top.nested("route", "name"))
	l.readStore(top.single("store"))
	l.readKeys(top.nested("key", "name"))
	l.readServer(top.single("server"))
	l.readAdmin(top.single("admin"))
	l.readLog(top.single("log"))
	l.readBans(top.single("bans"))
	l.readRetryBudget(top.single("retry_budget"))
	l.readBatch(top.single("batch"))
	l.readTelemetry(top.single("telemetry"))
	l.readRecord(top.single("record"))
	l.readReload(top.single("reload"))
	l.readFetch(top.single("fetch"))
	l.readObservers(top.nested("observe", "name"))
	top.done()
	if len(channels) == 0 && len(l.mistakes) == 0 {
		top.mistakef(top.head, "declare one, such as this that needs no key\nchannel \"demo\" {\n  provider = provider.demo\n}", "no channel is declared")
	}
	if len(l.mistakes) == 0 {
		l.finish()
	}
}

// finish fills in what follows from the rest.
func (l *loader) finish() {
	c := l.cfg
	used := map[*Pipeline]bool{}
	for _, r := range c.Routes {
		if !used[r.Pipeline] {
			used[r.Pipeline] = true
			c.Pipelines = append(c.Pipelines, r.Pipeline)
		}
	}
	c.Plugins = inUse(c)
	c.declared = make(map[string]*Plugin, len(l.plugins))
	for _, e := range l.plugins {
		c.declared[e.value.Address()] = e.value
	}
	l.applyLock(l.lock)
	l.warnUnused(used)
	l.hash()
	c.Warnings = l.warnings.sorted()
}

// warnUnused tells of blocks that change nothing.
func (l *loader) warnUnused(pipelines map[*Pipeline]bool) {
	needed := map[*Plugin]bool{l.cfg.Store: true}
	for _, e := range l.pipelines {
		for _, s := range e.value.Steps {
			for _, p := range s.Plugins() {
				needed[p] = true
			}
		}
		if e.block != nil && !pipelines[e.value] {
			e.block.warnf(e.block.head, "add a route to it", "%s is used by no route", e.block)
		}
	}
	for _, o := range l.cfg.Observers {
		needed[o.Plugin] = true
	}
	providers := map[*Provider]bool{}
	for _, c := range l.cfg.Channels {
		providers[c.Provider] = true
	}
	for _, e := range l.providers {
		needed[e.value.Adapter] = true
		if e.block != nil && !providers[e.value.Provider] {
			e.block.warnf(e.block.head, "", "%s is used by no channel", e.block)
		}
	}
	for _, e := range l.plugins {
		if e.block != nil && !needed[e.value] {
			e.block.warnf(e.block.head, "", "%s is used by nothing", e.block)
		}
	}
	for _, c := range l.cfg.Channels {
		if c.Off == "" {
			return
		}
	}
	l.file.warnf(l.file.head, "", "every channel is off, so no request can be answered")
}

func (l *loader) readModels(blocks []*block) {
	names := table[*Model]{}
	for _, b := range blocks {
		m := &Model{Name: b.name()}
		if p := word(m.Name); p != nil {
			b.mistakef(b.head, p.remedy, "%s", p.summary)
		}
		itself := func(s string) *problem {
			if s == m.Name {
				return problemf("remove it", "%q is the model itself", s)
			}
			return nil
		}
		b.set("any", &m.Any, word, itself)
		b.set("fallbacks", &m.Fallbacks, word, itself)
		if len(m.Any)+len(m.Fallbacks) == 0 && len(b.failed) == 0 {
			b.mistakef(b.head, `add any = ["..."] or fallbacks = ["..."]`, "%s says nothing", b)
		}
		b.done()
		names.declare(m.Name, b, m)
		l.cfg.Models = append(l.cfg.Models, m)
	}
}

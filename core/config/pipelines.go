package config

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// DefaultPipeline is the pipeline of files that declare none, in HCL. What a
// step of theirs leaves out is what the step of the same kind says here.
//
//go:embed default.hcl
var DefaultPipeline string

// defaultBody is DefaultPipeline, parsed. Reading leaves it as it is.
var defaultBody = sync.OnceValues(func() (*file, *hclsyntax.Body) {
	f := newFile("default.hcl", []byte(DefaultPipeline))
	body, diags := parse(f)
	if len(diags) > 0 {
		panic(diags) // it is part of this program, and a test reads it
	}
	return f, body
})

// maxPrompt is what still fits into one message to a plugin.
const maxPrompt = 60 * mib

// stepReaders read what the steps of a kind have beside run and timeout.
var stepReaders = map[sdk.Kind]func(*block, *Step){
	sdk.KindGuard: func(b *block, s *Step) {
		b.onError(s, OnErrorReject, OnErrorSkip)
		b.duration("fresh", &s.Fresh, fromZero)
		b.duration("stale", &s.Stale, fromZero)
		b.headers(s)
		b.size("max_prompt", &s.MaxPrompt, aboveZero)
		if s.MaxPrompt > maxPrompt {
			b.problem("max_prompt", b.at("max_prompt"), problemf("", "must be at most 60MiB"))
		}
	},
	sdk.KindSelector: func(b *block, s *Step) {
		b.onError(s, OnErrorStale, OnErrorSkip, OnErrorReject)
		b.duration("fresh", &s.Fresh, fromZero)
		b.duration("stale", &s.Stale, fromZero)
		b.headers(s)
		b.attribute("shadow") // readSides reads what refers to plugins
		b.share("shadow_sample", &s.ShadowSample)
		b.types = append(b.types, "canary")
	},
	sdk.KindPrechecker: func(b *block, s *Step) {
		b.onError(s, OnErrorStale, OnErrorSkip, OnErrorReject)
		b.duration("fresh", &s.Fresh, fromZero)
		b.duration("stale", &s.Stale, fromZero)
		b.integer("top", &s.Top, aboveZero)
	},
	sdk.KindCache: func(b *block, s *Step) {
		b.onError(s, OnErrorSkip, OnErrorReject)
		b.duration("ttl", &s.TTL, fromZero)
		b.size("max_answer", &s.MaxAnswer, aboveZero)
		b.integer("max_answers", &s.MaxAnswers, aboveZero)
		b.size("front", &s.Front, fromZero)
		b.flag("dedupe", &s.Dedupe)
		b.number("dedupe_max_temperature", &s.DedupeMaxTemperature, fromZero)
		b.flag("dedupe_n", &s.DedupeN)
		b.size("dedupe_buffer", &s.DedupeBuffer, aboveZero)
	},
	sdk.KindProber: func(b *block, s *Step) {
		b.duration("interval", &s.Interval, aboveZero)
		b.duration("key_interval", &s.KeyInterval, aboveZero)
		b.duration("models_interval", &s.ModelsInterval, aboveZero)
		b.duration("specs_interval", &s.SpecsInterval, aboveZero)
		b.duration("prices_interval", &s.PricesInterval, aboveZero)
		b.integer("at_once", &s.AtOnce, aboveZero)
		b.duration("recovery_interval", &s.RecoveryInterval, aboveZero)
	},
	sdk.KindAdapter: func(b *block, s *Step) {
		b.integer("max_attempts", &s.Call.MaxAttempts, aboveZero)
		b.duration("patience", &s.Call.Patience, fromZero)
		b.duration("hold_headers", &s.Call.HoldHeaders, fromZero)
		b.size("whole_answer", &s.Call.WholeAnswer, fromZero)
		b.size("error_body", &s.Call.ErrorBody, fromZero)
		b.flag("ask_usage", &s.Call.AskUsage)
		b.text("rescue", (*string)(&s.Call.Rescue), oneOf(string(RescueOff), string(RescueVerify), string(RescueContinue)))
		b.duration("rescue_timeout", &s.Call.RescueTimeout, aboveZero)
	},
}

func (b *block) headers(s *Step) {
	b.set("headers", &s.Headers, header)
	for i, h := range s.Headers {
		s.Headers[i] = strings.ToLower(h)
	}
}

func (b *block) onError(s *Step, may ...OnError) {
	words := make([]string, len(may))
	for i, m := range may {
		words[i] = string(m)
	}
	b.text("on_error", (*string)(&s.OnError), oneOf(words...))
}

// stepAttributes are the names that the steps of a kind have, found by letting
// their reader ask for them.
func stepAttributes(kind sdk.Kind) []string {
	asked := &block{reader: &reader{}, body: &hclsyntax.Body{}}
	if read := stepReaders[kind]; read != nil {
		read(asked, &Step{})
	}
	return asked.names
}

func (l *loader) readPipelines(blocks []*block) {
	f, body := defaultBody()
	own := l.top(f, body).nested("pipeline", "name")[0]
	builtin := l.readPipeline(own)
	l.pipelines[builtin.Name] = entry[*Pipeline]{value: builtin}
	l.steps = map[sdk.Kind]Step{sdk.KindGuard: Defaults.Guard}
	for _, s := range builtin.Steps {
		l.steps[s.Kind] = *s
	}
	for _, b := range blocks {
		if !hclsyntax.ValidIdentifier(b.name()) {
			b.mistakef(b.head, "begin with a letter, and use letters, digits, dashes and underscores", "%q is no name for references", b.name())
			continue
		}
		l.pipelines.declare(b.name(), b, l.readPipeline(b))
	}
}

func (l *loader) readPipeline(b *block) *Pipeline {
	p := &Pipeline{Name: b.name()}
	names, kinds := table[*Step]{}, map[sdk.Kind]*block{}
	var call *block
	for _, sb := range b.nested("step", "name") {
		if pr := labelName(sb.name()); pr != nil {
			sb.mistakef(sb.head, pr.remedy, "%s", pr.summary)
		}
		s := l.readStep(sb)
		if call != nil && s.Kind != sdk.KindAdapter {
			sb.mistakef(sb.head, fmt.Sprintf("move it above step %q", call.name()), "%s comes after the call, which is the end", sb)
		}
		names.declare(s.Name, sb, s)
		p.Steps = append(p.Steps, s)
		if first := kinds[s.Kind]; first != nil && s.Kind != "" && s.Kind != sdk.KindGuard {
			sb.mistakef(sb.head, "remove one, or make a second pipeline and a route to it",
				"pipeline %q has two %s steps, first at %s", p.Name, stepWord(s.Kind), place(first.head))
		}
		if s.Kind == sdk.KindAdapter {
			call = sb
		}
		if before := firstDecided(p.Steps); s.Kind == sdk.KindGuard && before != nil {
			sb.mistakef(sb.head, fmt.Sprintf("move it above step %q", before.Name), "%s comes after a step that decides without it", sb)
		}
		kinds[s.Kind] = sb
	}
	l.checkOrder(p, kinds)
	if call == nil && kinds[""] == nil {
		b.mistakef(b.head, "end it with one\nstep \"call\" { run = provider.adapter }", "pipeline %q has no call step", p.Name)
	}
	b.done()
	return p
}

// firstDecided is the first step that a guard has to come before: a stored answer
// would go past it, a plan would be made for a request that it edits.
func firstDecided(steps []*Step) *Step {
	i := slices.IndexFunc(steps, func(s *Step) bool {
		return s.Kind == sdk.KindCache || s.Kind == sdk.KindSelector || s.Kind == sdk.KindPrechecker
	})
	if i < 0 {
		return nil
	}
	return steps[i]
}

// checkOrder looks at steps that make no sense in the order they are in.
func (l *loader) checkOrder(p *Pipeline, kinds map[sdk.Kind]*block) {
	index := func(k sdk.Kind) int {
		return slices.IndexFunc(p.Steps, func(s *Step) bool { return s.Kind == k })
	}
	choose, precheck, answers := index(sdk.KindSelector), index(sdk.KindPrechecker), index(sdk.KindCache)
	if precheck >= 0 && precheck < choose {
		b := kinds[sdk.KindPrechecker]
		b.mistakef(b.head, fmt.Sprintf("move it below step %q", p.Steps[choose].Name), "%s has no plan to check yet", b)
	}
	if answers >= 0 && choose >= 0 && answers > choose {
		b := kinds[sdk.KindCache]
		b.warnf(b.head, fmt.Sprintf("move it above step %q", p.Steps[choose].Name), "%s looks for an answer after the choice was made", b)
	}
}

// stepWord is how people name the steps of a kind.
func stepWord(k sdk.Kind) string {
	if k == sdk.KindAdapter {
		return "call"
	}
	return string(k)
}

func (l *loader) readStep(b *block) *Step {
	kind, plugin := l.readRun(b)
	s := l.steps[kind]
	s.Name, s.Kind, s.Plugin = b.name(), kind, plugin
	s.Headers = slices.Clone(s.Headers)
	b.duration("timeout", &s.Timeout, aboveZero)
	if read := stepReaders[kind]; read != nil {
		read(b, &s)
		b.foreign = foreignAttributes(kind)
		if kind == sdk.KindSelector {
			l.readSides(b, &s)
		}
	} else { // reported; what any kind has may be right
		for name := range foreignAttributes("") {
			b.names = append(b.names, name)
		}
	}
	b.done()
	return &s
}

// foreignAttributes are those that steps of other kinds have, with a remedy.
func foreignAttributes(kind sdk.Kind) map[string]string {
	whose := map[string][]string{}
	for _, k := range sdk.Kinds {
		if k == kind {
			continue
		}
		for _, name := range stepAttributes(k) {
			whose[name] = append(whose[name], stepWord(k))
		}
	}
	remedies := make(map[string]string, len(whose))
	for name, words := range whose {
		remedies[name] = fmt.Sprintf("it is for %s steps, and this is %s step", strings.Join(words, " and "), article(stepWord(kind)))
	}
	return remedies
}

// readRun finds out the step's kind; "": a mistake was reported.
func (l *loader) readRun(b *block) (sdk.Kind, *Plugin) {
	if !b.required("run", "plugin.selector.smart") {
		b.attribute("run")
		return "", nil
	}
	if t, diags := hcl.AbsTraversalForExpr(b.body.Attributes["run"].Expr); !diags.HasErrors() && t.RootName() == "provider" {
		b.attribute("run")
		if r := (reference{path: path(t)}); r.String() != "provider.adapter" {
			b.problem("run", b.at("run"), problemf("write provider.adapter: each channel names its provider", "%s is no plugin", r))
			return "", nil
		}
		return sdk.KindAdapter, nil
	}
	p := b.plugin(l.plugins, "run", "")
	switch {
	case p == nil:
		return "", nil
	case p.Kind == sdk.KindAdapter:
		b.problem("run", b.at("run"), problemf("write provider.adapter: each channel's provider names its adapter", "an adapter runs in the call step"))
		return "", nil
	case p.Kind == sdk.KindObserver:
		b.problem("run", b.at("run"), problemf("put it at the top: observe "+quoted(p.Name)+" { run = "+p.Address()+" }", "an observer runs behind the requests, in no step"))
		return "", nil
	}
	return p.Kind, p
}

func (l *loader) readRoutes(blocks []*block) {
	names := table[*Route]{}
	for _, b := range blocks {
		r := Defaults.Route
		r.Name = b.name()
		if p := labelName(r.Name); p != nil {
			b.mistakef(b.head, p.remedy, "%s", p.summary)
		}
		b.set("paths", &r.Paths, routePath)
		b.set("models", &r.Models, word)
		for name, list := range map[string][]string{"paths": r.Paths, "models": r.Models} {
			if len(list) == 0 {
				b.problem(name, b.at(name), problemf("leave it out for all", "is empty, so nothing would match"))
			}
		}
		if b.has("pipeline") {
			r.Pipeline = find(b, l.pipelines, "pipeline", "pipeline")
		} else {
			b.attribute("pipeline")
			r.Pipeline = l.defaultPipeline(b)
		}
		b.done()
		names.declare(r.Name, b, &r)
		l.cfg.Routes = append(l.cfg.Routes, &r)
	}
	if len(blocks) == 0 {
		r := Defaults.Route
		r.Pipeline = l.defaultPipeline(l.file)
		l.cfg.Routes = []*Route{&r}
	}
}

// defaultPipeline is the one called default, unless the file declares just one
// under another name.
func (l *loader) defaultPipeline(b *block) *Pipeline {
	var declared []string
	for name, e := range l.pipelines {
		if e.block != nil {
			declared = append(declared, name)
		}
	}
	switch {
	case len(declared) == 0 || slices.Contains(declared, "default"):
		return l.pipelines["default"].value
	case len(declared) == 1:
		return l.pipelines[declared[0]].value
	}
	slices.Sort(declared)
	b.mistakef(b.head, fmt.Sprintf("add a route, or call one default\nroute \"all\" { pipeline = pipeline.%s }", declared[0]),
		"nothing says which of the pipelines %s is used", strings.Join(declared, ", "))
	return nil
}

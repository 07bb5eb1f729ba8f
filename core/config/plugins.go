package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// firstParty are our plugins, by kind and name. They are there without a block,
// but for those that need a config.
var firstParty = []string{
	"adapter.anthropic",
	"adapter.azure",
	"adapter.bedrock",
	"adapter.cohere",
	"adapter.demo",
	"adapter.gemini",
	"adapter.ollama",
	"adapter.openai",
	"adapter.vertex",
	"cache.local",
	"cache.redis",
	"guard.regex",
	"observer.jsonl",
	"prechecker.race",
	"prober.models",
	"selector.smart",
}

// needConfig are those of ours that can't do without one: somebody's url, or rules.
var needConfig = []string{"cache.redis", "guard.regex"}

// needBaseURL are our adapters that don't know by themselves where to ask.
var needBaseURL = []string{"anthropic", "azure", "cohere", "gemini", "ollama", "openai"}

// firstPartyGrants are what of ours is granted unless a plugin block says
// otherwise, by kind and name: a plugin of ours works as it is described.
var firstPartyGrants = map[string][]string{
	"guard.regex":   {sdk.NeedPrompt},
	"prober.models": {sdk.NeedBilledCalls}, // its POST names a model that nobody has
}

// builtin is a first-party plugin with its defaults.
func builtin(address string) *Plugin {
	kind, name, _ := strings.Cut(address, ".")
	p := Defaults.Plugin
	p.Kind, p.Name, p.Builtin = sdk.Kind(kind), name, name
	p.Grants = firstPartyGrants[address]
	return &p
}

// FirstParty is a plugin of ours with its defaults; nil: there is none of that
// kind and name.
func FirstParty(kind sdk.Kind, name string) *Plugin {
	address := string(kind) + "." + name
	if !slices.Contains(firstParty, address) {
		return nil
	}
	return builtin(address)
}

// plugins reads all plugin blocks into a table by kind and name.
func (l *loader) readPlugins(blocks []*block) {
	for _, address := range firstParty {
		if !slices.Contains(needConfig, address) {
			l.plugins[address] = entry[*Plugin]{value: builtin(address)}
		}
	}
	for _, b := range blocks {
		kind := sdk.Kind(b.labels[0])
		if !slices.Contains(sdk.Kinds, kind) {
			b.mistakef(b.head, didYouMean(b.labels[0], kindNames(), quoted), "unknown kind of plugin %q", b.labels[0])
			continue
		}
		if !hclsyntax.ValidIdentifier(b.name()) {
			b.mistakef(b.head, "begin with a letter, and use letters, digits, dashes and underscores", "%q is no name for references", b.name())
			continue
		}
		l.plugins.declare(b.labels[0]+"."+b.name(), b, l.readPlugin(b, kind))
	}
}

// fewestFiles that a plugin gets along with: its sockets, pipes and libraries.
const fewestFiles = 64

// readProcess reads how a plugin's process runs, into what it is otherwise.
func (b *block) readProcess(p *Plugin) {
	b.text("user", &p.User, word)
	p.UserAsked = p.UserAsked || b.has("user")
	if b.has("user") && os.Geteuid() != 0 {
		b.warnf(b.at("user"), "", "user has no effect: only a router that runs as root can start processes of others")
	}
	b.size("memory", &p.Limits.Memory, fromZero)
	b.integer("open_files", &p.Limits.OpenFiles, fromZero)
	if n := p.Limits.OpenFiles; b.has("open_files") && n > 0 && n < fewestFiles {
		b.problem("open_files", b.at("open_files"), problemf("", "must be at least %d", fewestFiles))
	}
	b.integer("nice", &p.Limits.Nice, fromZero)
	if p.Limits.Nice > 19 {
		b.problem("nice", b.at("nice"), problemf("", "goes from 0 to 19"))
	}
}

func (l *loader) readPlugin(b *block, kind sdk.Kind) *Plugin {
	p := Defaults.Plugin
	p.Kind, p.Name = kind, b.name()
	p.source = source{file: b.file, block: b.head, eval: b.eval}
	b.list("command", &p.Command)
	b.text("sha256", &p.SHA256, digest)
	b.table("env", (*map[string]string)(&p.Env))
	b.set("grants", &p.Grants, oneOf(sdk.Needs...))
	b.duration("start_timeout", &p.StartTimeout, aboveZero)
	b.duration("ping_interval", &p.PingInterval, aboveZero)
	b.duration("ping_timeout", &p.PingTimeout, aboveZero)
	b.duration("starved_timeout", &p.StarvedTimeout, fromZero)
	b.number("upstream_rate", &p.UpstreamRate, aboveZero)
	if b.has("command") {
		p.User, p.UserAsked, p.Limits = l.foreign.User, l.foreign.UserAsked, l.foreign.Limits
	}
	b.readProcess(&p)
	l.readUse(b, &p)
	for _, name := range []string{"sha256", "env", "user"} {
		if b.has(name) && !b.has("command") {
			b.mistakef(b.at(name), "remove it", "%s is for plugins with a command", name)
		}
	}
	for name := range p.Env {
		if !envName().MatchString(name) {
			b.problem("env", b.entry("env", name), problemf("", "%q is no name of a variable", name))
		}
	}
	if len(p.Command) > 0 && strings.ContainsRune(p.Command[0], filepath.Separator) && !filepath.IsAbs(p.Command[0]) {
		p.Command[0] = filepath.Join(l.dir, p.Command[0])
	}
	if c := b.nested("config"); len(c) > 0 {
		for _, again := range c[1:] {
			b.mistakef(again.head, "put both into one block", "config is declared twice, first at %s", place(c[0].head))
		}
		p.config = raw(b.body, "config")
		l.dumps[&p] = c[0].dump()
	}
	b.done()
	return &p
}

// readUse finds out what runs: a command of the user's, or one of our plugins.
func (l *loader) readUse(b *block, p *Plugin) {
	own := table[*Plugin]{}
	for _, address := range firstParty {
		own[address] = entry[*Plugin]{value: builtin(address)}
	}
	switch {
	case b.has("command"):
		if b.attribute("use") != nil {
			b.mistakef(b.at("use"), "remove one", "%s has both use and command", b)
		}
		if !b.failed["command"] && (len(p.Command) == 0 || p.Command[0] == "") {
			b.problem("command", b.at("command"), problemf(`write one such as ["./bin/my-selector"]`, "names no program"))
		}
	case b.has("use"):
		if used := b.plugin(own, "use", p.Kind); used != nil {
			p.takeOver(used, b)
		}
	case own[string(p.Kind)+"."+p.Name].value != nil:
		b.attribute("use")
		p.takeOver(own[string(p.Kind)+"."+p.Name].value, b) // our plugin of that name, configured
	default:
		b.attribute("use")
		remedy := `add command = ["./bin/my-` + string(p.Kind) + `"]`
		if of := ofKind(own, p.Kind); len(of) > 0 {
			remedy += " or use = plugin." + of[0]
		}
		b.mistakef(b.head, remedy, "%s says nothing to run", b)
	}
}

// takeOver makes p run a plugin of ours, with the grants of the block where it
// names any, be it none.
func (p *Plugin) takeOver(ours *Plugin, b *block) {
	p.Builtin = ours.Builtin
	if !b.has("grants") {
		p.Grants = ours.Grants
	}
}

// raw is the first block of a type.
func raw(body *hclsyntax.Body, typ string) *hclsyntax.Block {
	i := slices.IndexFunc(body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == typ })
	return body.Blocks[i]
}

// dump evaluates a block whose schema the plugin knows, for the hash and for
// the mistakes that need no schema.
func (b *block) dump() map[string]any {
	d := map[string]any{}
	for name := range b.body.Attributes {
		if v, ok := b.value(name); ok {
			d[name] = canonical(v)
		}
	}
	blocks := make([]any, 0, len(b.body.Blocks))
	for _, nested := range b.body.Blocks {
		blocks = append(blocks, []any{nested.Type, nested.Labels, b.inner(nested).dump()})
	}
	if len(blocks) > 0 {
		d[""] = blocks
	}
	return d
}

// inUse are the plugins that something needs, by address.
func inUse(c *Config) []*Plugin {
	seen := map[*Plugin]bool{c.Store: true}
	for _, p := range c.Pipelines {
		for _, s := range p.Steps {
			for _, p := range s.Plugins() {
				seen[p] = true
			}
		}
	}
	for _, o := range c.Observers {
		seen[o.Plugin] = true
	}
	for _, ch := range c.Channels {
		if ch.Off == "" {
			seen[ch.Provider.Adapter] = true
		}
	}
	delete(seen, nil)
	plugins := make([]*Plugin, 0, len(seen))
	for p := range seen {
		plugins = append(plugins, p)
	}
	slices.SortFunc(plugins, func(a, b *Plugin) int { return strings.Compare(a.Address(), b.Address()) })
	return plugins
}

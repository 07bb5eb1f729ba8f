package config

import (
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// catalogue is the setting models_list of providers whose list is no list of
// what a channel can be asked for.
const catalogue = "catalogue"

// first is a provider that is there without a block.
type first struct {
	name, baseURL string
	// open: it takes requests without a key.
	open         bool
	publicModels bool
	noModels     bool
	adapter      string // "": openai
	settings     map[string]string
}

// firstProviders speak OpenAI's wire format, but for those with another adapter,
// below their base URL, which ends in the version. Each base URL is from the page named beside it.
var firstProviders = []first{
	// https://platform.openai.com/docs/api-reference/introduction
	{name: "openai", baseURL: "https://api.openai.com/v1"},
	// https://platform.claude.com/docs/en/api/overview
	{name: "anthropic", baseURL: "https://api.anthropic.com/v1", adapter: "anthropic"},
	// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-converse.html
	// One host per region, which the adapter knows; it has no list of models.
	{name: "bedrock", adapter: "bedrock", noModels: true},
	// https://ai.google.dev/api
	{name: "gemini", baseURL: "https://generativelanguage.googleapis.com/v1beta", adapter: "gemini"},
	// https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
	// One host per location, which its adapter knows.
	{name: "vertex", adapter: "vertex", noModels: true},
	// https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
	// One host per resource, such as https://NAME.openai.azure.com.
	// Its list is of what could be deployed, not of what is.
	{name: "azure-openai", adapter: "azure", settings: map[string]string{"models_list": catalogue}},
	// https://openrouter.ai/docs/quickstart; its list of models needs no key.
	{name: "openrouter", baseURL: "https://openrouter.ai/api/v1", publicModels: true},
	// https://api-docs.deepseek.com names the host without a version; /v1 is
	// its documented form for OpenAI's clients.
	{name: "deepseek", baseURL: "https://api.deepseek.com/v1"},
	// https://console.groq.com/docs/openai
	{name: "groq", baseURL: "https://api.groq.com/openai/v1"},
	// https://docs.mistral.ai/api
	{name: "mistral", baseURL: "https://api.mistral.ai/v1"},
	// https://docs.together.ai/docs/inference/openai-compatibility
	{name: "together", baseURL: "https://api.together.ai/v1"},
	// https://docs.siliconflow.cn/docs/userguide/quickstart; accounts of
	// siliconflow.com have https://api.siliconflow.com/v1.
	{name: "siliconflow", baseURL: "https://api.siliconflow.cn/v1"},
	// https://platform.kimi.ai/docs/api/overview; accounts in China have
	// https://api.moonshot.cn/v1.
	{name: "moonshot", baseURL: "https://api.moonshot.ai/v1"},
	// https://docs.litellm.ai/docs/providers/bigmodel; accounts of z.ai have
	// https://api.z.ai/api/paas/v4.
	{name: "zhipu", baseURL: "https://open.bigmodel.cn/api/paas/v4"},
	// https://www.cloudwego.io/docs/eino/ecosystem/chat_model/chat_model_ark
	{name: "doubao", baseURL: "https://ark.cn-beijing.volces.com/api/v3"},
	// https://docs.x.ai/developers/rest-api-reference/inference
	{name: "xai", baseURL: "https://api.x.ai/v1"},
	// https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
	{name: "vllm", baseURL: "http://127.0.0.1:8000/v1", open: true, publicModels: true},
	// https://lmstudio.ai/docs/api/openai-api
	{name: "lmstudio", baseURL: "http://127.0.0.1:1234/v1", open: true, publicModels: true},
	// https://docs.ollama.com/api/openai-compatibility
	{name: "ollama", baseURL: "http://127.0.0.1:11434/v1", open: true, publicModels: true},
	// https://docs.cohere.com/reference/about
	{name: "cohere", baseURL: "https://api.cohere.com", adapter: "cohere"},
	// https://docs.ollama.com/api/introduction
	{name: "ollama-native", baseURL: "http://127.0.0.1:11434", open: true, publicModels: true, adapter: "ollama"},
	// Simulated by its adapter, which knows where.
	{name: "demo", open: true, publicModels: true, adapter: "demo"},
}

// provider is a Provider and what its channels take from it.
type provider struct {
	*Provider
	timeouts Timeouts
	pool     Pool
}

func (l *loader) readProviders(blocks []*block) {
	for _, f := range firstProviders {
		adapter := f.adapter
		if adapter == "" {
			adapter = "openai"
		}
		p := &Provider{
			Name: f.name, BaseURL: f.baseURL, Adapter: l.plugins["adapter."+adapter].value,
			NeedsKey: !f.open, PublicModels: f.publicModels, NoModels: f.noModels, Settings: maps.Clone(f.settings),
		}
		l.providers[f.name] = entry[provider]{value: provider{p, l.timeouts, l.pool}}
	}
	for _, b := range blocks {
		p := l.readProvider(b)
		if p.Name == "adapter" {
			b.mistakef(b.head, "rename it", "provider.adapter is what a call step runs")
			continue
		}
		if !hclsyntax.ValidIdentifier(p.Name) {
			b.mistakef(b.head, "begin with a letter, and use letters, digits, dashes and underscores", "%q is no name for a provider", p.Name)
			continue
		}
		l.providers.declare(p.Name, b, p)
	}
}

func (l *loader) readProvider(b *block) provider {
	p := provider{
		Provider: &Provider{Name: b.name(), Adapter: l.plugins["adapter.openai"].value},
		timeouts: l.timeouts, pool: l.pool,
	}
	b.baseURL(&p.BaseURL)
	if b.has("adapter") {
		p.Adapter = b.plugin(l.plugins, "adapter", sdk.KindAdapter)
	}
	b.flag("needs_key", &p.NeedsKey)
	b.flag("public_models", &p.PublicModels)
	b.flag("no_models", &p.NoModels)
	if p.PublicModels && p.NoModels {
		b.mistakef(b.at("no_models"), "remove one", "%s has both public_models and no_models", b)
	}
	b.table("settings", &p.Settings)
	readTimeouts(b.single("timeouts"), &p.timeouts)
	readPool(b.single("pool"), &p.pool)
	b.attribute("adapter")
	b.done()
	return p
}

// baseURL reads base_url, without the slash at its end.
func (b *block) baseURL(dst *string) {
	b.text("base_url", dst, baseURL)
	*dst = strings.TrimRight(*dst, "/")
}

func readTimeouts(b *block, t *Timeouts) {
	b.duration("connect", &t.Connect, aboveZero)
	b.duration("write", &t.Write, aboveZero)
	b.duration("read", &t.Read, aboveZero)
	b.duration("pool", &t.Pool, aboveZero)
	b.duration("first_token", &t.FirstToken, aboveZero)
	b.duration("idle", &t.Idle, aboveZero)
	b.done()
}

func readPool(b *block, p *Pool) {
	b.integer("max_connections", &p.MaxConnections, aboveZero)
	b.integer("max_idle", &p.MaxIdle, fromZero)
	b.duration("shrink_after", &p.ShrinkAfter, aboveZero)
	b.duration("idle_timeout", &p.IdleTimeout, aboveZero)
	b.flag("http2", &p.HTTP2)
	switch {
	case p.MaxIdle <= p.MaxConnections:
	case b.has("max_idle"):
		b.mistakef(b.at("max_idle"), "lower it, or raise max_connections", "max_idle is %d, and max_connections only %d", p.MaxIdle, p.MaxConnections)
	default:
		p.MaxIdle = p.MaxConnections // few connections may all be idle
	}
	b.done()
}

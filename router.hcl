# What `make run` uses. It answers without any key:
#
#   curl http://127.0.0.1:7601/v1/chat/completions \
#     -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}'
#
# Export a key, such as OPENAI_API_KEY, start again, and its provider's models
# are there too. `smartrouter validate` checks this file.

server { address = "127.0.0.1:7601" } # what clients talk to
admin { address = "127.0.0.1:7602" }  # what you look at

# A channel is one account at a provider. This one is simulated by a plugin,
# over real HTTP: its model is called "demo".
channel "demo" {
  provider = provider.demo
}

# A channel whose key is not set is off, and says so at start. Which models it
# has is asked of the provider; `models = [...]` would say it here.
channel "openai" {
  provider = provider.openai
  api_key  = env("OPENAI_API_KEY")
}

channel "anthropic" {
  provider = provider.anthropic
  api_key  = env("ANTHROPIC_API_KEY")
}

channel "gemini" {
  provider = provider.gemini
  api_key  = env("GEMINI_API_KEY")
}

channel "openrouter" {
  provider = provider.openrouter
  api_key  = env("OPENROUTER_API_KEY")
  priority = 20 # lower goes first, 10 by default
}

channel "deepseek" {
  provider = provider.deepseek
  api_key  = env("DEEPSEEK_API_KEY")
}

channel "groq" {
  provider = provider.groq
  api_key  = env("GROQ_API_KEY")
}

channel "mistral" {
  provider = provider.mistral
  api_key  = env("MISTRAL_API_KEY")
}

channel "together" {
  provider = provider.together
  api_key  = env("TOGETHER_API_KEY")
}

channel "xai" {
  provider = provider.xai
  api_key  = env("XAI_API_KEY")
}

channel "moonshot" {
  provider = provider.moonshot
  api_key  = env("MOONSHOT_API_KEY")
}

channel "siliconflow" {
  provider = provider.siliconflow
  api_key  = env("SILICONFLOW_API_KEY")
}

channel "zhipu" {
  provider = provider.zhipu
  api_key  = env("ZHIPU_API_KEY")
}

channel "doubao" {
  provider = provider.doubao
  api_key  = env("ARK_API_KEY")
}

# Azure has an address per account, and lists what could be deployed there
# rather than what is:
#
# channel "azure" {
#   provider = provider.azure-openai
#   base_url = "https://NAME.openai.azure.com"
#   api_key  = env("AZURE_OPENAI_API_KEY")
#   models   = ["gpt-4o"] # your deployments
# }
#
# Models on this machine need no key; provider.vllm and provider.lmstudio
# are the same:
#
# channel "ollama" {
#   provider = provider.ollama
#   tags     = ["local", "free"]
# }
#
# Several keys are several channels, here many-1 and many-2:
#
# channel "many" {
#   provider = provider.openai
#   api_keys = [env("KEY_1"), env("KEY_2")]
#   aliases  = { fast = "gpt-4o-mini" } # what clients say -> the provider's name
# }
#
# A name of your own, answered by the first model that is up:
#
# model "best" {
#   any       = ["gpt-4o"]
#   fallbacks = ["deepseek-chat", "demo"]
# }
#
# Every decision is taken by a plugin. This is another instance of ours; with
# command = ["./bin/my-selector"] instead of use it is a program of yours:
#
# plugin "selector" "mine" {
#   use = plugin.selector.smart
#   config {}
# }
#
# A pipeline runs plugins step by step. Without one, each route has the default
# pipeline: health, answers, choose, precheck, call.
#
# pipeline "mine" {
#   step "health" { run = plugin.prober.models }
#   step "choose" { run = plugin.selector.mine }
#   step "call" { run = provider.adapter }
# }
#
# route "chat" {
#   paths    = ["/v1/chat/completions"]
#   pipeline = pipeline.mine
# }

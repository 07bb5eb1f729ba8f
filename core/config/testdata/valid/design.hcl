# The example of the design, with what it leaves to later taken out.
server { address = "127.0.0.1:7601" }
admin  { address = "127.0.0.1:7602" }
store  { cache = plugin.cache.local }

plugin "selector" "mine" {
  command = ["./bin/my-selector"]
  sha256  = "9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c"
  config  { max_error_rate = 0.2 }
}

plugin "selector" "cheap" {
  use    = plugin.selector.smart
  config { strategy = "cost_first" }
}

provider "internal" {
  base_url = "https://llm.internal/v1/"
  adapter  = plugin.adapter.openai
}

channel "openai" {
  provider = provider.openai
  api_key  = env("OPENAI_API_KEY")
  tags     = ["paid"]
  region   = "us-east"
}

channel "internal" {
  provider = provider.internal
}

model "fast" {
  any       = ["gpt-4o-mini", "claude-haiku-4-5"]
  fallbacks = ["llama-3.3-70b"]
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "0s"
  }
  step "choose" {
    run      = plugin.selector.mine
    timeout  = "30ms"
    on_error = "skip"
  }
  step "precheck" {
    run = plugin.prechecker.race
    top = 5
  }
  step "call" { run = provider.adapter }
}

route "chat" {
  paths    = ["/v1/chat/completions"]
  models   = ["*"]
  pipeline = pipeline.default
}

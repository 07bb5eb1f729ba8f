server {
  address       = "127.0.0.1:7601"
  max_in_flight = 100
}

telemetry {
  endpoint = "http://127.0.0.1:4318"
  headers  = { authorization = "Bearer before" }
}

plugin "selector" "mine" {
  use = plugin.selector.smart
  config {
    max_error_rate = 0.2
    strategy       = "balanced"
  }
}

provider "internal" {
  base_url = "https://llm.internal/v1"
  adapter  = plugin.adapter.openai
}

channel "same" {
  provider = provider.demo
}

channel "turned" {
  provider = provider.openai
  api_key  = "sk-before"
  models   = ["gpt-4o"]
  timeouts {
    connect = "5s"
  }
}

channel "moved" {
  provider = provider.internal
  api_key  = "sk-internal"
}

channel "gone" {
  provider = provider.demo
}

model "fast" {
  any = ["gpt-4o"]
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" { run = plugin.cache.local }
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}

key "me" {
  secret = "the-secret-of-me-before"
}

key "gone" {
  secret = "the-secret-of-the-one-that-goes"
}

server {
  address       = "127.0.0.1:7601"
  max_in_flight = 200
}

admin {
  address = "127.0.0.1:7700"
}

log {
  level = "debug"
}

telemetry {
  endpoint = "http://127.0.0.1:4318"
  headers  = { authorization = "Bearer after" }
}

plugin "selector" "mine" {
  use = plugin.selector.smart
  config {
    max_error_rate = 0.4
    strategy       = "cost_first"
  }
}

provider "internal" {
  base_url = "https://llm.elsewhere/v1"
  adapter  = plugin.adapter.openai
}

channel "same" {
  provider = provider.demo
}

channel "turned" {
  provider = provider.openai
  api_key  = "sk-after"
  models   = ["gpt-4o", "gpt-4o-mini"]
  weight   = 2
  timeouts {
    connect = "7s"
  }
  price "*" {
    input  = 1
    output = 2
  }
}

channel "moved" {
  provider = provider.internal
  api_key  = "sk-internal"
}

channel "new" {
  provider = provider.demo
}

model "fast" {
  any       = ["gpt-4o"]
  fallbacks = ["demo"]
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "10m"
  }
  step "choose" { run = plugin.selector.mine }
  step "precheck" { run = plugin.prechecker.race }
  step "call" {
    run          = provider.adapter
    max_attempts = 3
  }
}

key "me" {
  secret = "the-secret-of-me-after"
}

key "new" {
  secret = "the-secret-of-the-one-that-comes"
}

store {
  response_ttl = "1h"
}

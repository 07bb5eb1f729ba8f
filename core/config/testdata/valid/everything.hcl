server {
  address         = "0.0.0.0:8080"
  max_body        = "8MiB"
  max_header      = "32KiB"
  max_in_flight   = 500
  origins         = ["https://app.example.com", "http://localhost:3000"]
  hosts           = ["llm.example.com"]
  allow_anonymous = true
  region          = "eu-west"
  header_timeout  = "1s"
  body_timeout    = "2s"
  idle_timeout    = "3s"
  write_timeout   = "4s"
  keep_alive      = "5s"
  drain_timeout   = "0s"
  warm_up         = 2
}

admin {
  address      = "10.0.0.1:7602"
  allow_remote = true
}

log {
  level = "debug"
  json  = true
}

store {
  cache        = plugin.cache.shared
  response_ttl = "12h"
  poll         = "250ms"
  lease        = "8s"
  silent       = "keep"
}

batch {
  concurrency = 64
  per_channel = 3
  share       = 0.25
  max_file    = "1MiB"
  max_lines   = 100
  max_stored  = "2MiB"
  expiry      = "1h"
  grace       = "0s"
  keep        = "48h"
  retries     = 0
  backoff     = "2s"
  max_backoff = "3s"
}

timeouts {
  connect = "1s"
  read    = "1m"
}

pool {
  max_connections = 10
  shrink_after    = "17s"
}

bans {
  rate_limit  = "1s"
  quota       = "2s"
  not_found   = "3s"
  upstream    = "4s"
  timeout     = "5s"
  connect     = "6s"
  hint        = "7s"
  longest     = "8s"
  failures    = 9
  models      = 10
  backoff     = "11s"
  max_backoff = "12s"
  jitter      = 0.13
}

retry_budget {
  share    = 0.14
  at_least = 15
  window   = "16s"
}

key "team" {
  secret = "${lower("A-SECRET-OF-")}the-team"
  region = "eu-west-1"
}

key "app" {
  digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

plugin "cache" "shared" {
  command         = ["my-cache", "--verbose"]
  env             = { TOKEN = env("TEST_API_KEY"), DEBUG = true }
  start_timeout   = "1m"
  ping_interval   = "1s"
  ping_timeout    = "3s"
  starved_timeout = "0s"
  upstream_rate   = 2.5
}

# Our own prober, with a grant.
plugin "prober" "models" {
  grants = ["billed_calls"]
}

provider "other" {
  base_url      = "https://${env("TEST_HOST")}/v1"
  needs_key     = true
  public_models = true
  settings = {
    auth      = "header"
    auth_name = "x-key"
  }
  timeouts { connect = "2s" }
  pool { http2 = false }
}

# Replaces ours.
provider "openai" {
  base_url  = "https://proxy.example.com/openai"
  no_models = true
}

channel "other" {
  provider      = provider.other
  api_keys      = [env("TEST_API_KEY"), "${env("UNSET")}-suffix", env("TEST_EMPTY"), "sk-written-down"]
  tags          = concat(["paid"], split(",", "fast,good"))
  aliases       = { "doubao-1.5-pro" = "ep-20260101" }
  region        = "ap-south"
  priority      = 0
  weight        = 0.5
  max_in_flight = 7

  requests_per_minute = 600
  tokens_per_minute   = 90000
  queue               = 8

  accepts_prefill = true
  settings = {
    auth_name = "x-other"
    retries   = 3
  }
  price "*" {
    input  = 0.15
    output = 0.6
  }
  price "ep-20260101" { input = 1 }
  timeouts {
    first_token = "9s"
  }
  pool { max_idle = 1 }
}

channel "fixed" {
  provider = provider.openai
  base_url = "http://10.0.0.9/v1"
  api_key  = env("UNSET", "sk-default")
  models   = ["gpt-4o", "gpt-4o-mini"]
}

channel "resting" {
  provider = provider.ollama
  enabled  = false
}

channel "keyless" {
  provider = provider.groq
}

model "fast" {
  any = ["gpt-4o-mini"]
}

pipeline "short" {
  step "health" {
    run             = plugin.prober.models
    interval        = "1m"
    key_interval    = "2m"
    models_interval = "3m"
    specs_interval  = "4m"
    prices_interval = "5m"
    at_once         = 2
  }
  step "choose" {
    run    = plugin.selector.smart
    shadow = plugin.selector.mine

    shadow_sample = 0.5
    canary {
      run     = plugin.selector.mine
      percent = 2.5
      by      = "header:x-team"
    }
    headers = ["X-Team", "x-region"]
    fresh   = "1s"
    stale   = "2s"
  }
  step "answers" {
    run        = plugin.cache.shared
    ttl        = "10m"
    max_answer = "64KiB"

    max_answers            = 500
    front                  = "1MiB"
    dedupe                 = true
    dedupe_max_temperature = 0.5
    dedupe_n               = true
    dedupe_buffer          = "128KiB"
  }
  step "call" {
    run          = provider.adapter
    max_attempts = 2
    patience     = "1s"
    hold_headers = "3s"
    whole_answer = "2MiB"
    error_body   = "2KiB"
    ask_usage    = true

    rescue         = "continue"
    rescue_timeout = "4s"
  }
}

pipeline "unused" {
  step "call" { run = provider.adapter }
}

route "chat" {
  paths    = ["/v1/chat/completions"]
  models   = ["gpt-*"]
  pipeline = pipeline.short
}

route "rest" {
  pipeline = pipeline.short
}

telemetry {
  endpoint  = "https://collector.example.com/otlp"
  protocol  = "grpc"
  headers   = { authorization = "Bearer secret-of-the-collector" }
  sample    = 0.25
  propagate = true
  interval  = "15s"
  timeout   = "3s"
  service   = "llm-gateway"
}

plugin "selector" "mine" { use = plugin.selector.smart }

record {
  file       = "decisions.jsonl"
  sample     = 0.5
  prompts    = true
  max_prompt = "16KiB"
  max_size   = "10MiB"
  keep       = 3
  sync       = "2s"
  queue      = 100
}

fetch {
  enabled       = false
  max_size      = "5MiB"
  types         = ["image/png"]
  timeout       = "2s"
  max_redirects = 0
  at_once       = 4
  hosts         = ["files.internal", "10.0.0.9"]
}

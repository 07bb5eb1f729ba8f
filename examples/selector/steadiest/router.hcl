# Channels of one model, and a selector of our own that chooses between them.
#
#   go build -o steadiest . && smartrouter serve --config router.hcl

plugin "selector" "steadiest" {
  command = ["./steadiest"]
  config {
    max_error_rate = 0.1
  }
}

# Simulated, so that the example runs as it is.
channel "demo" {
  provider = provider.demo
}

channel "openai" {
  provider = provider.openai
  api_key  = env("OPENAI_API_KEY")
}

channel "openrouter" {
  provider = provider.openrouter
  api_key  = env("OPENROUTER_API_KEY")
}

pipeline "default" {
  step "health" {
    run = plugin.prober.models
  }
  step "choose" {
    run      = plugin.selector.steadiest
    timeout  = "20ms"
    on_error = "stale"
  }
  step "precheck" {
    run = plugin.prechecker.race
  }
  step "call" {
    run = provider.adapter
  }
}

# A router with the cache plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "cache" "plugin-name" {
  command = ["./plugin-name"]
  config {
    largest = "64MiB"
  }
}

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.plugin-name
    ttl = "10m" # equal requests of one caller get the same answer
  }
  step "choose" { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

# Where the router keeps bans, health and response ids.
store {
  cache = plugin.cache.plugin-name
}

# A router with the prober plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "prober" "plugin-name" {
  command = ["./plugin-name"]
}

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "health" {
    run      = plugin.prober.plugin-name
    interval = "1m"
  }
  step "choose" { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

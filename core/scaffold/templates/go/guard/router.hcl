# A router with the guard plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "guard" "plugin-name" {
  command = ["./plugin-name"]
  grants  = ["prompt"] # without it the guard sees facts only
  config {
    words = ["secret"]
  }
}

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "guard" { run = plugin.guard.plugin-name }
  step "choose" { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

# A router with the selector plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "selector" "plugin-name" {
  command = ["./plugin-name"]
  config {
    max_error_rate = 0.2
  }
}

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" {
    run     = plugin.selector.plugin-name
    timeout = "200ms" # the first call takes its time
  }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

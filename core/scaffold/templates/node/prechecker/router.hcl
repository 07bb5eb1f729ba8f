# A router with the prechecker plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "prechecker" "plugin-name" {
  command = ["./plugin-name.js"]
  config {
    slowest = "1s"
  }
}

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
  models   = ["demo"]
}

# A prober would find out beforehand what is up, and a prechecker is asked only
# where that is not known: so there is none in this pipeline.
pipeline "default" {
  step "choose" { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.plugin-name }
  step "call" { run = provider.adapter }
}

# A router with the observer plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "observer" "plugin-name" {
  command = ["./plugin-name"]
  config {
    slow = "10s"
  }
}

observe "slow" { run = plugin.observer.plugin-name }

# Simulated. Put channels of your own beside it.
channel "demo" {
  provider = provider.demo
}

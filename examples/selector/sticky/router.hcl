# Three accounts for one model, and each conversation stays at one of them.
#
#   go build -o sticky . && smartrouter serve

plugin "selector" "sticky" {
  command = ["./sticky"]
  config {
    by = "prefix" # or "key", or "header:x-session"
  }
}

# Simulated. Put accounts of your own in their place.
channel "one" {
  provider = provider.demo
}

channel "two" {
  provider = provider.demo
}

channel "three" {
  provider = provider.demo
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" {
    run     = plugin.selector.sticky
    timeout = "100ms"
  }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

# Callers in Europe stay there; at night and at weekends our own machine goes first.
#
#   npm install && smartrouter serve

plugin "selector" "hours" {
  command = ["./hours.js"]
  config {
    rule {
      region = "eu"
      tag    = "eu"
      only   = true
    }
    rule {
      hours = "22:00-06:00"
      tag   = "local"
    }
    rule {
      days = ["sat", "sun"]
      tag  = "local"
    }
  }
}

# Simulated. Put accounts of your own in their place.
channel "cloud" {
  provider = provider.demo
  tags     = ["paid"]
}

channel "basement" {
  provider = provider.demo
  tags     = ["local"]
}

channel "frankfurt" {
  provider = provider.demo
  tags     = ["eu", "paid"]
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" {
    run      = plugin.selector.hours
    timeout  = "200ms"  # the first call takes its time
    on_error = "reject" # a caller in Europe is not sent elsewhere
  }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run = plugin.selector.smart
    ttl = "5m"
  }
  step "call" { run = provider.adapter }
}

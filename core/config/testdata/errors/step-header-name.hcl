channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    headers = ["x team"]
  }
  step "call" { run = provider.adapter }
}

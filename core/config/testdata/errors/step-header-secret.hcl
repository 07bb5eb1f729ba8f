channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    headers = ["Authorization"]
  }
  step "call" { run = provider.adapter }
}

channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    timeuot = "5ms"
  }
  step "call" { run = provider.adapter }
}

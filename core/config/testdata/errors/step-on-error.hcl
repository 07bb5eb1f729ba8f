channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run      = plugin.selector.smart
    on_error = "ignore"
  }
  step "call" { run = provider.adapter }
}

channel "demo" { provider = provider.demo }

pipeline "default" {
  step "choose" {
    run    = plugin.selector.smart
    shadow = plugin.selector.smart
    canary {
      run     = plugin.selector.smart
      percent = 5
    }
  }
  step "call" { run = provider.adapter }
}

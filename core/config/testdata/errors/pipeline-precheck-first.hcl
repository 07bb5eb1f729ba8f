channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "check" { run = plugin.prechecker.race }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

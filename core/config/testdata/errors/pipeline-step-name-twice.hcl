channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "one" { run = plugin.selector.smart }
  step "one" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}

channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "check" {
    run = plugin.prechecker.race
    top = 0
  }
  step "call" { run = provider.adapter }
}

channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" { timeout = "20ms" }
  step "call" { run = provider.adapter }
}

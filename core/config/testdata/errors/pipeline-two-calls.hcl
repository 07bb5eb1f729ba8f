channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "first" { run = provider.adapter }
  step "call" { run = provider.adapter }
}

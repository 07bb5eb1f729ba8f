channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "send" { run = provider.openai }
}

channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "send" { run = plugin.adapter.openai }
}

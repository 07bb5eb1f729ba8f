channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "answers" {
    run   = plugin.cache.local
    fresh = "5m"
  }
  step "call" { run = provider.adapter }
}

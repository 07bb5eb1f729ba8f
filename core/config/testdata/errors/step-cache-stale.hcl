channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "answers" {
    run      = plugin.cache.local
    on_error = "stale"
  }
  step "call" { run = provider.adapter }
}

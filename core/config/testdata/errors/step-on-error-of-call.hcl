channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "call" {
    run      = provider.adapter
    on_error = "skip"
  }
}

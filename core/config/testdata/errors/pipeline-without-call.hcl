channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" { run = plugin.selector.smart }
}

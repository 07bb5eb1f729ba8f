channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "send" { run = provider.adapter }
  step "choose" { run = plugin.selector.smart }
}

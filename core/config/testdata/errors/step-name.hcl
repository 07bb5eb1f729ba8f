channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "my step" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

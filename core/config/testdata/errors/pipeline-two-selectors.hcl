channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "one" { run = plugin.selector.smart }
  step "two" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

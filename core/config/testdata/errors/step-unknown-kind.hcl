channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" { run = plugin.select.smart }
  step "call" { run = provider.adapter }
}

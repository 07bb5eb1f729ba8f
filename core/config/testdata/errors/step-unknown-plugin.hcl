channel "demo" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" { run = plugin.selector.smat }
  step "call" { run = provider.adapter }
}

channel "demo" { provider = provider.demo }
pipeline "default" {
  step "patterns" { run = plugin.guard.regex }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

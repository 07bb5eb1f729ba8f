channel "demo" { provider = provider.demo }
plugin "guard" "regex" {
  config {}
}
pipeline "default" {
  step "choose" { run = plugin.selector.smart }
  step "patterns" { run = plugin.guard.regex }
  step "call" { run = provider.adapter }
}

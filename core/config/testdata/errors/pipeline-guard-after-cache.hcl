channel "demo" { provider = provider.demo }
plugin "guard" "regex" {
  config {}
}
pipeline "default" {
  step "answers" { run = plugin.cache.local }
  step "patterns" { run = plugin.guard.regex }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

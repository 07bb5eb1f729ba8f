channel "demo" { provider = provider.demo }
plugin "guard" "regex" {
  config {}
}
pipeline "default" {
  step "patterns" {
    run      = plugin.guard.regex
    on_error = "stale"
  }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

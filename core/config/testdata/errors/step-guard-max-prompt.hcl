channel "demo" { provider = provider.demo }
plugin "guard" "regex" {
  config {}
}
pipeline "default" {
  step "patterns" {
    run        = plugin.guard.regex
    max_prompt = "1GiB"
  }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}

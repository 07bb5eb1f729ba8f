channel "demo" { provider = provider.demo }

pipeline "default" {
  step "answers" {
    run    = plugin.cache.local
    shadow = plugin.selector.smart
  }
  step "choose" {
    run           = plugin.selector.smart
    shadow        = plugin.cache.local
    shadow_sample = 2
  }
  step "call" { run = provider.adapter }
}

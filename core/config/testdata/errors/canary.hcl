channel "demo" { provider = provider.demo }

plugin "selector" "new" { use = plugin.selector.smart }

pipeline "default" {
  step "choose" {
    run = plugin.selector.smart
    canary {
      run     = plugin.selector.neu
      percent = 100.5
      by      = "stream"
    }
    canary { percent = "5" }
  }
  step "call" { run = provider.adapter }
}

pipeline "other" {
  step "choose" {
    run = plugin.selector.smart
    canary {
      by   = "header:authorization"
      step = 1
    }
  }
  step "call" { run = provider.adapter }
}

route "other" { pipeline = pipeline.other }

store {
  cache        = plugin.cache.shared
  response_ttl = "1h"
  poll         = "250ms"
  lease        = "8s"
  silent       = "keep"
}

plugin "cache" "shared" {
  command = ["my-cache"]
}

plugin "selector" "mine" {
  command    = ["my-selector"]
  user       = "selector"
  memory     = "64MiB"
  open_files = 100
  nice       = 5
}

plugin "selector" "other" { use = plugin.selector.smart }

plugin "observer" "other" {
  use = plugin.observer.jsonl
  config { file = "one.jsonl" }
}

channel "same" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" {
    run      = plugin.selector.other
    on_error = "skip"

    shadow = plugin.selector.mine
    canary {
      run     = plugin.selector.mine
      percent = 5
      by      = "region"
    }
  }
  step "call" { run = provider.adapter }
}

observe "log" {
  run   = plugin.observer.other
  batch = 5
}

observe "new" {
  run = plugin.observer.other
}

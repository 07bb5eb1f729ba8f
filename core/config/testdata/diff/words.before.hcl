store {
  response_ttl = "1h"
}

plugin "cache" "shared" {
  command = ["my-cache"]
}

plugin "selector" "mine" { use = plugin.selector.smart }

plugin "selector" "other" { use = plugin.selector.smart }

plugin "observer" "jsonl" {
  config { file = "one.jsonl" }
}

channel "same" {
  provider = provider.demo
}

pipeline "default" {
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}

observe "log" {
  run = plugin.observer.jsonl
}

observe "gone" {
  run = plugin.observer.jsonl
}

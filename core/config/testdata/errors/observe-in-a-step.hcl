channel "demo" { provider = provider.demo }
pipeline "default" {
  step "log" { run = plugin.observer.jsonl }
  step "call" { run = provider.adapter }
}

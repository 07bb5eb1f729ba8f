channel "demo" { provider = provider.demo }
observe "log" {
  run   = plugin.observer.jsonl
  batch = 10
  queue = 5
}

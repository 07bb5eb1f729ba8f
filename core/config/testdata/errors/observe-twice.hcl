channel "demo" { provider = provider.demo }
observe "log" { run = plugin.observer.jsonl }
observe "log" { run = plugin.observer.jsonl }

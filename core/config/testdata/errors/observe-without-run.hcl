channel "demo" { provider = provider.demo }
observe "log" {}

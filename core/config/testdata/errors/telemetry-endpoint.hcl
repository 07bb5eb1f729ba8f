telemetry {
  endpoint = "127.0.0.1:4318"
}

channel "demo" {
  provider = provider.demo
}

telemetry {
  endpoint = "http://127.0.0.1:4318"
  sample   = 5
}

channel "demo" {
  provider = provider.demo
}

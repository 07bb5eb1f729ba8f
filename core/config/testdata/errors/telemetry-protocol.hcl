telemetry {
  endpoint = "http://127.0.0.1:4318"
  protocol = "htpp"
}

channel "demo" {
  provider = provider.demo
}

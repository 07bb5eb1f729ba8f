telemetry {
  endpoint = "http://127.0.0.1:4318"
  headers  = { "x y" = "1", good = "a\nb" }
}

channel "demo" {
  provider = provider.demo
}

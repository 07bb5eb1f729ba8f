channel "demo" {
  provider = provider.demo
}
model "fast" {
  fallbacks = ["slow", "fast"]
}

channel "demo" {
  provider = provider.demo
}
model "fast" {
}

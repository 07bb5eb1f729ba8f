channel "demo" {
  provider = provider.demo
}

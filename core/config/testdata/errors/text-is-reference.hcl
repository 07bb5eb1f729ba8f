channel "a" {
  provider = provider.demo
  region = provider.demo
}

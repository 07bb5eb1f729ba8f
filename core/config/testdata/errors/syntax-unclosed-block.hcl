channel "a" {
  provider = provider.demo

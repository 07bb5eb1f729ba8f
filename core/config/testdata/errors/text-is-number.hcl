channel "a" {
  provider = provider.demo
  region = 5
}

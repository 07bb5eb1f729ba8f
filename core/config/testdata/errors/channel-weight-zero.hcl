channel "a" {
  provider = provider.demo
  weight = 0
}

channel "a" {
  provider = provider.demo
  models = []
}

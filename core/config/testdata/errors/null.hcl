channel "a" {
  provider = provider.demo
  region = null
}

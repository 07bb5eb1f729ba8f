channel "a" {
  provider = provider.demo
  priority = "1"
}

channel "a" {
  provider = provider.demo
  tags = ["a", null]
}

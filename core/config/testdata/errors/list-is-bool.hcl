channel "a" {
  provider = provider.demo
  tags = true
}

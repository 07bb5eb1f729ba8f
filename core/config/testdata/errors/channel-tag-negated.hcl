channel "a" {
  provider = provider.demo
  tags = ["!free"]
}

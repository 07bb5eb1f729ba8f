channel "a" {
  provider = provider.demo
  tags = ["cheap and good"]
}

channel "my channel" {
  provider = provider.demo
}

channel "demo" {
  provider = provider.demo
}
key "my key" {
  secret = "0123456789abcdef0123"
}

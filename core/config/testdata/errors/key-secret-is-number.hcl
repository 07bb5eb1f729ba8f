channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = 12345678901234567890
}

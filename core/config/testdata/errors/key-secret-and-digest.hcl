channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = "0123456789abcdef0123"
  digest = "9f2c"
}

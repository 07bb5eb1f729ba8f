channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = "0123456789abcdef0123"
}
key "me" {
  secret = "0123456789abcdef4567"
}

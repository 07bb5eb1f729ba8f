channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = "0123456789abcdef0123"
}
key "you" {
  secret = "0123456789abcdef0123"
}

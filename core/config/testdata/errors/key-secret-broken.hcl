channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = envv("X")
}

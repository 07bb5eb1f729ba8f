channel "demo" {
  provider = provider.demo
}
route "chat" {
  pipeline = "default"
}

channel "demo" {
  provider = provider.demo
}
route "chat" {
  paths = ["v1/chat/completions"]
}

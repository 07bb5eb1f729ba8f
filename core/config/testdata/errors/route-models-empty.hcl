channel "demo" {
  provider = provider.demo
}
route "chat" {
  models = []
}

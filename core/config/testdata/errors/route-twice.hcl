channel "demo" {
  provider = provider.demo
}
route "chat" {
}
route "chat" {
}

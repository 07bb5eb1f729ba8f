channel "demo" {
  provider = provider.demo
}
route "chat" {
  pipeline = pipeline.defualt
}

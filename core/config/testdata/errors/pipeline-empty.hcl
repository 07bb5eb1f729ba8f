channel "demo" {
  provider = provider.demo
}
pipeline "default" {
}

channel "demo" {
  provider = provider.demo
}
route "my route" {
}

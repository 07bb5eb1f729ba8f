channel "demo" {
  provider = provider.demo
}

chanel "b" {
  provider = provider.demo
}

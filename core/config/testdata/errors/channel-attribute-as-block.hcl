channel "a" {
  provider = provider.demo
  settings {
    a = "b"
  }
}

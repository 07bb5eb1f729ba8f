channel "a" {
  provider = provider.demo
  region = { name = "eu" }
}

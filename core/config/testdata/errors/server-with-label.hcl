channel "demo" {
  provider = provider.demo
}
server "main" {
  region = "eu"
}

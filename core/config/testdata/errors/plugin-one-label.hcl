channel "demo" {
  provider = provider.demo
}
plugin "mine" {
  command = ["./mine"]
}

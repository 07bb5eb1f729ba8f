channel "demo" {
  provider = provider.demo
}
plugin "selectr" "mine" {
  command = ["./mine"]
}

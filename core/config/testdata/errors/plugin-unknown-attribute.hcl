channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  comand = ["./mine"]
}

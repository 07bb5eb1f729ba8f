channel "demo" {
  provider = provider.demo
}
plugin "selector" "1st" {
  command = ["./mine"]
}

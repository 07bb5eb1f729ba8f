channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  command = ["./mine"]
  sha256  = "9f2c"
}

channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  command = ["./mine"]
  env = {
    "MY VAR" = "x"
  }
}

channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  use     = plugin.selector.smart
  command = ["./mine"]
}

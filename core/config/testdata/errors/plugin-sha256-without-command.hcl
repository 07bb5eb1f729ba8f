channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  use    = plugin.selector.smart
  sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
}

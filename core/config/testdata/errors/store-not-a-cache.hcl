channel "demo" {
  provider = provider.demo
}
store {
  cache = plugin.selector.smart
}

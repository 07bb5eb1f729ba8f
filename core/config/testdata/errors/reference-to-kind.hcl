channel "demo" {
  provider = provider.demo
}
store {
  cache = plugin.cache
}

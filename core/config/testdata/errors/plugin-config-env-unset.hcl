channel "demo" {
  provider = provider.demo
}
plugin "cache" "local" {
  config {
    path = env("CACHE_PATH")
  }
}

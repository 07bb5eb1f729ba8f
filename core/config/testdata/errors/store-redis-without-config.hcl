channel "a" {
  provider = provider.demo
}

store { cache = plugin.cache.redis }

# Two ways to name the redis plugin, which has no url of its own.
channel "a" {
  provider = provider.demo
}

store { cache = plugin.cache.shared }

plugin "cache" "shared" {
  use = plugin.cache.redis
  config { url = "redis://:${env("TEST_API_KEY")}@cache.internal:6379" }
}

plugin "cache" "redis" {
  config {
    url        = "unix:///run/redis/redis.sock"
    key_prefix = "answers"
  }
}

pipeline "default" {
  step "answers" {
    run = plugin.cache.redis
    ttl = "1h"
  }
  step "choose" { run = plugin.selector.smart }
  step "call"   { run = provider.adapter }
}

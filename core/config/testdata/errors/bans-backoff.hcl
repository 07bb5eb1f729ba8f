channel "demo" { provider = provider.demo }

bans {
  backoff = "1m"
}

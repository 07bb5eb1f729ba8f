channel "demo" { provider = provider.demo }

bans {
  jitter = 1.5
}

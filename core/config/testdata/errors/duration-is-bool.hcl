channel "a" {
  provider = provider.demo
  timeouts { connect = true }
}

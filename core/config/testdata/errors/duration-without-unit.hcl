channel "a" {
  provider = provider.demo
  timeouts { connect = 10 }
}

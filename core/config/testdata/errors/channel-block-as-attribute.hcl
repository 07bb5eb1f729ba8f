channel "a" {
  provider = provider.demo
  pool = { http2 = false }
}

server = "127.0.0.1:7601"
channel "demo" {
  provider = provider.demo
}

channel "demo" {
  provider = provider.demo
}
server {
  drain_timeout = "-5s"
}

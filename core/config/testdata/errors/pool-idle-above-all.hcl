pool {
  max_connections = 10
  max_idle        = 20
}
channel "demo" {
  provider = provider.demo
}

channel "demo" {
  provider = provider.demo
}
server {
  address = "0.0.0.0:7601"
}

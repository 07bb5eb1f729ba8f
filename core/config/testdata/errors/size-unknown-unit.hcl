channel "demo" {
  provider = provider.demo
}
server {
  max_body = "8M"
}

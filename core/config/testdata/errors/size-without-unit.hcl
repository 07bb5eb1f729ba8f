channel "demo" {
  provider = provider.demo
}
server {
  max_body = 1048576
}

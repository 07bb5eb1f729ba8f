channel "demo" {
  provider = provider.demo
}
server {
  origins = ["*"]
}

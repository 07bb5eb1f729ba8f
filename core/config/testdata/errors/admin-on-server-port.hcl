channel "demo" {
  provider = provider.demo
}
admin {
  address = "127.0.0.1:7601"
}

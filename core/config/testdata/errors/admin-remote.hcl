channel "demo" {
  provider = provider.demo
}
admin {
  address = ":7602"
}

channel "demo" {
  provider = provider.demo
}
store {
  poll  = "2s"
  lease = "5s"
}

timeouts {
  read = "0s"
}
channel "demo" {
  provider = provider.demo
}

channel "demo" {
  provider = provider.demo
}
route "x" {
  paths = ["/v1//chat"]
}

channel "demo" {
  provider = provider.demo
}
log {
  level = debug
}

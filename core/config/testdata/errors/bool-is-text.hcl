channel "a" {
  provider = provider.demo
  enabled = "false"
}

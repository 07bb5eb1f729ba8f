channel "a" {
  provider = provider.demo
  aliases = { "" = "x" }
}

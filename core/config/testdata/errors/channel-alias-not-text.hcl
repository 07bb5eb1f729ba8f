channel "a" {
  provider = provider.demo
  aliases = {
    fast = ["x"]
  }
}

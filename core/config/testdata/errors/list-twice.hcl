channel "a" {
  provider = provider.demo
  models = ["gpt-4o", "gpt-4o"]
}

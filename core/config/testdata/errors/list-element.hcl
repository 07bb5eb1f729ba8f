channel "a" {
  provider = provider.demo
  models = [
    "gpt-4o",
    4,
  ]
}

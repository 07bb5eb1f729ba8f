channel "a" {
  provider = provider.openai
  api_keys = [
    "sk-one",
    "sk-one",
  ]
}

channel "a" {
  provider = provider.openai
  api_key  = "sk-one\nsk-two"
}

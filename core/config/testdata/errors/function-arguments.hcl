channel "a" {
  provider = provider.openai
  api_key = env()
}

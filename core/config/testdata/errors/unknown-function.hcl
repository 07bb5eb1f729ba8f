channel "a" {
  provider = provider.openai
  api_key = evn("OPENAI_API_KEY")
}

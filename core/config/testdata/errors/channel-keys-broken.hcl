channel "a" {
  provider = provider.openai
  api_keys = [evn("A")]
}

channel "a" {
  provider = provider["openai"]
}

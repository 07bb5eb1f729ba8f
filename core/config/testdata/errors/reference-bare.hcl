channel "a" {
  provider = openai
}

channel "a" {
  provider = "openai"
}

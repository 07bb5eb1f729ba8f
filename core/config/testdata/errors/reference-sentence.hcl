channel "a" {
  provider = "the one of openai"
}

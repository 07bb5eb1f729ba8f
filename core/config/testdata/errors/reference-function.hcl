channel "a" {
  provider = lower("OPENAI")
}

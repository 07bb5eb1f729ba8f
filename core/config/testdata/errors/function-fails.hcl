channel "a" {
  provider = provider.openai
  api_key = file("no-such-file.txt")
}

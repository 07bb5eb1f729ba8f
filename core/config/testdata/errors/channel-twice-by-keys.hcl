channel "a" {
  provider = provider.openai
  api_keys = ["k1", "k2"]
}
channel "a-1" {
  provider = provider.openai
  api_key = "k3"
}

channel "a" {
  provider = provider.openai
  api_key  = env("A")
  api_keys = [env("B")]
}

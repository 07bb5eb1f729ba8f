channel "a" {
  provider = provider.azure-openai
  api_key  = env("AZURE_KEY")
}
